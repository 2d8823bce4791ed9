-- SPDX-License-Identifier: GPL-2.0-or-later
-- The bank: 256 accounts of 1000 each, and a ledger whose every entry carries
-- the hash of the entry before it. One transfer is one transaction; it changes
-- two accounts and the ledger, so half a transfer, a lost one or two that
-- changed places cannot hide (see bank-check.sql).
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;

CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
INSERT INTO accounts SELECT value, 1000 FROM generate_series(0, 255);

CREATE TABLE ledger (
	n INTEGER PRIMARY KEY,
	debit INTEGER NOT NULL,
	credit INTEGER NOT NULL,
	amount INTEGER NOT NULL,
	note TEXT NOT NULL,
	hash TEXT
);
INSERT INTO ledger VALUES (0, 0, 0, 0, 'the bank opens', 'genesis');

-- What the hash of each entry has to be.
CREATE VIEW chain AS
	SELECT this.n, this.hash, lower(hex(sha3(
		prev.hash || '|' || this.n || '|' || this.debit || '|' ||
		this.credit || '|' || this.amount || '|' || this.note,
		256))) AS want
	FROM ledger AS this JOIN ledger AS prev ON prev.n = this.n - 1;
