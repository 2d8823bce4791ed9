-- SPDX-License-Identifier: GPL-2.0-or-later
-- What must hold in every copy of the bank, at whatever moment it was made.
-- Prints name=value lines: integrity, last, gaps, broken_links, wrong_balances,
-- money.
SELECT 'integrity=' || group_concat(integrity_check, '; ')
	FROM pragma_integrity_check;
SELECT 'last=' || max(n), 'gaps=' || (max(n) + 1 - count(*)) FROM ledger;
SELECT 'broken_links=' || count(*) FROM chain WHERE hash IS NOT want;
WITH moves AS (
	SELECT debit AS id, -amount AS amount FROM ledger
	UNION ALL SELECT credit, amount FROM ledger
), sums AS (SELECT id, sum(amount) AS amount FROM moves GROUP BY id)
SELECT 'wrong_balances=' || count(*)
	FROM accounts LEFT JOIN sums USING (id)
	WHERE balance <> 1000 + ifnull(amount, 0);
SELECT 'money=' || sum(balance) FROM accounts;
