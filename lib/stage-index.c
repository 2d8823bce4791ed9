// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A treap: ordered by (offset, lsn), a heap by a hash of the node's number. A
 * node also knows, of its subtree, the furthest end and the range of lsns; they
 * cut off most of a search.
 *
 * X1 after each change, end, min_lsn and max_lsn of a node are those of its
 *    subtree [pull].
 * X2 an lsn is in a tree at most once, so the order is strict.
 * X3 a node takes at most 64 bytes.
 * X4 who is ->late is in no tree yet, and counts as if it were.
 */
#include "stage-index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SLAB_NODES	4096
#define SLABS_MAX	(UINT32_MAX / SLAB_NODES)

#define F_ZERO		1
#define F_VERIFIED	2

struct node {
	uint64_t off, lsn;
	uint64_t end, min_lsn, max_lsn;	/* of the subtree */
	uint32_t len;
	uint32_t left, right;
	uint32_t flags;
};

_Static_assert(sizeof(struct node) <= 64, "X3");

struct stage_index {
	struct node **slabs;
	uint32_t nr_slabs, max_slabs;
	uint32_t nr_ever;	/* nodes ever taken from slabs; 0 is nobody */
	uint32_t free;		/* list, by ->left */
	uint64_t nr_used;
};

static struct node *at(const struct stage_index *ix, uint32_t n)
{
	return &ix->slabs[n / SLAB_NODES][n % SLAB_NODES];
}

struct stage_index *stage_index_create(void)
{
	struct stage_index *ix = calloc(1, sizeof(*ix));

	if (ix)
		ix->nr_ever = 1;
	return ix;
}

void stage_index_destroy(struct stage_index *ix)
{
	if (!ix)
		return;
	for (uint32_t i = 0; i < ix->nr_slabs; i++)
		free(ix->slabs[i]);
	free(ix->slabs);
	free(ix);
}

uint64_t stage_index_bytes(const struct stage_index *ix)
{
	return ix->nr_used * sizeof(struct node);
}

static int add_slab(struct stage_index *ix)
{
	uint32_t max = ix->max_slabs ? ix->max_slabs * 2 : 16;
	struct node **more;

	if (ix->nr_slabs == SLABS_MAX)
		return -ENOMEM;
	if (ix->nr_slabs == ix->max_slabs) {
		more = realloc(ix->slabs, max * sizeof(*more));
		if (!more)
			return -ENOMEM;
		ix->slabs = more;
		ix->max_slabs = max;
	}
	ix->slabs[ix->nr_slabs] = malloc(SLAB_NODES * sizeof(struct node));
	if (!ix->slabs[ix->nr_slabs])
		return -ENOMEM;
	ix->nr_slabs++;
	return 0;
}

/* 0: out of memory. */
static uint32_t node_get(struct stage_index *ix)
{
	uint32_t n = ix->free;

	if (n) {
		ix->free = at(ix, n)->left;
	} else {
		if (ix->nr_ever / SLAB_NODES == ix->nr_slabs && add_slab(ix))
			return 0;
		n = ix->nr_ever++;
	}
	ix->nr_used++;
	return n;
}

static void node_put(struct stage_index *ix, uint32_t n)
{
	at(ix, n)->left = ix->free;
	ix->free = n;
	ix->nr_used--;
}

static uint32_t priority(uint32_t n)
{
	n *= 0x9e3779b1;
	n ^= n >> 15;
	n *= 0x85ebca77;
	return n ^ n >> 13;
}

static void pull_child(struct node *x, const struct node *child)
{
	if (child->end > x->end)
		x->end = child->end;
	if (child->min_lsn < x->min_lsn)
		x->min_lsn = child->min_lsn;
	if (child->max_lsn > x->max_lsn)
		x->max_lsn = child->max_lsn;
}

/* X1 */
static void pull(struct stage_index *ix, uint32_t n)
{
	struct node *x = at(ix, n);

	x->end = x->off + x->len;
	x->min_lsn = x->max_lsn = x->lsn;
	if (x->left)
		pull_child(x, at(ix, x->left));
	if (x->right)
		pull_child(x, at(ix, x->right));
}

static bool is_before(const struct node *x, uint64_t off, uint64_t lsn)
{
	return x->off < off || (x->off == off && x->lsn < lsn);
}

/* Parts a subtree into what is before (off, lsn) and what is not. */
static void split(struct stage_index *ix, uint32_t n, uint64_t off,
		  uint64_t lsn, uint32_t *left, uint32_t *right)
{
	struct node *x;

	if (!n) {
		*left = *right = 0;
		return;
	}
	x = at(ix, n);
	if (is_before(x, off, lsn)) {
		split(ix, x->right, off, lsn, &x->right, right);
		*left = n;
	} else {
		split(ix, x->left, off, lsn, left, &x->left);
		*right = n;
	}
	pull(ix, n);
}

/* All of @left is before all of @right. */
static uint32_t merge(struct stage_index *ix, uint32_t left, uint32_t right)
{
	if (!left || !right)
		return left ? left : right;
	if (priority(left) > priority(right)) {
		at(ix, left)->right = merge(ix, at(ix, left)->right, right);
		pull(ix, left);
		return left;
	}
	at(ix, right)->left = merge(ix, left, at(ix, right)->left);
	pull(ix, right);
	return right;
}

/* Down to where @n's priority wants it to be; each on the way learns of it. */
static void place(struct stage_index *ix, uint32_t *root, uint32_t n)
{
	struct node *new = at(ix, n);
	uint32_t mine = priority(n);

	while (*root && priority(*root) >= mine) {
		struct node *x = at(ix, *root);

		pull_child(x, new);
		root = is_before(x, new->off, new->lsn) ? &x->right : &x->left;
	}
	split(ix, *root, new->off, new->lsn, &new->left, &new->right);
	*root = n;
	pull(ix, n);
}

/*
 * The ways down of those that are late, all at a time, so that the memory for
 * one is on its way while the others are looked at. Nothing is changed.
 */
static void warm(const struct stage_index *ix, const struct stage_tree *tree)
{
	uint32_t ways[STAGE_TREE_LATE], nr_open;

	for (uint32_t i = 0; i < tree->nr_late; i++)
		ways[i] = tree->root;
	do {
		nr_open = 0;
		for (uint32_t i = 0; i < tree->nr_late; i++) {
			const struct node *new = at(ix, tree->late[i]);
			const struct node *x = at(ix, ways[i]);

			if (!ways[i])
				continue;
			ways[i] = is_before(x, new->off, new->lsn) ? x->right :
								     x->left;
			x = at(ix, ways[i]);
			__builtin_prefetch(x);
			__builtin_prefetch((const char *)(x + 1) - 1);
			nr_open++;
		}
	} while (nr_open);
}

/* X4 */
static void settle(struct stage_index *ix, struct stage_tree *tree)
{
	warm(ix, tree);
	for (uint32_t i = 0; i < tree->nr_late; i++)
		place(ix, &tree->root, tree->late[i]);
	tree->nr_late = 0;
}

int stage_index_insert(struct stage_index *ix, struct stage_tree *tree,
		       uint64_t off, uint32_t len, uint64_t lsn, bool is_zero,
		       bool is_verified)
{
	uint32_t n = node_get(ix);
	struct node *x;

	assert(lsn && len);
	if (!n)
		return -ENOMEM;
	x = at(ix, n);
	*x = (struct node) {
		.off = off,
		.lsn = lsn,
		.len = len,
		.end = off + len,
		.min_lsn = lsn,
		.max_lsn = lsn,
		.flags = (is_zero ? F_ZERO : 0) |
			 (is_verified ? F_VERIFIED : 0),
	};
	tree->late[tree->nr_late++] = n;
	if (tree->nr_late == STAGE_TREE_LATE)
		settle(ix, tree);
	return 0;
}

/* The newest record over @off, 0 if there is none. */
static uint32_t newest(const struct stage_index *ix, uint32_t n, uint64_t off,
		       uint64_t max_lsn, uint32_t best)
{
	while (n) {
		const struct node *x = at(ix, n);

		if (x->end <= off || x->min_lsn > max_lsn ||
		    (best && x->max_lsn <= at(ix, best)->lsn))
			break;
		if (x->off > off) {
			n = x->left;
			continue;
		}
		if (x->off + x->len > off && x->lsn <= max_lsn &&
		    (!best || x->lsn > at(ix, best)->lsn))
			best = n;
		best = newest(ix, x->right, off, max_lsn, best);
		n = x->left;
	}
	return best;
}

/*
 * Where, in [off, limit), the first record begins that has an lsn above
 * @min_lsn and of at most @max_lsn; 0 if none does.
 */
static uint32_t next_start(const struct stage_index *ix, uint32_t n,
			   uint64_t off, uint64_t limit, uint64_t min_lsn,
			   uint64_t max_lsn)
{
	while (n) {
		const struct node *x = at(ix, n);
		uint32_t found;

		if (x->max_lsn <= min_lsn || x->min_lsn > max_lsn)
			return 0;
		if (x->off >= limit) {
			n = x->left;
			continue;
		}
		if (x->off >= off) {
			found = next_start(ix, x->left, off, limit, min_lsn,
					   max_lsn);
			if (found)
				return found;
			if (x->lsn > min_lsn && x->lsn <= max_lsn)
				return n;
		}
		n = x->right;
	}
	return 0;
}

/* X4 */
static uint32_t newest_late(const struct stage_index *ix,
			    const struct stage_tree *tree, uint64_t off,
			    uint64_t max_lsn, uint32_t best)
{
	for (uint32_t i = 0; i < tree->nr_late; i++) {
		const struct node *x = at(ix, tree->late[i]);

		if (x->off <= off && x->off + x->len > off &&
		    x->lsn <= max_lsn && (!best || x->lsn > at(ix, best)->lsn))
			best = tree->late[i];
	}
	return best;
}

/* X4. @first: what next_start() has found. */
static uint32_t next_late(const struct stage_index *ix,
			  const struct stage_tree *tree, uint64_t off,
			  uint64_t limit, uint64_t min_lsn, uint64_t max_lsn,
			  uint32_t first)
{
	for (uint32_t i = 0; i < tree->nr_late; i++) {
		const struct node *x = at(ix, tree->late[i]);

		if (x->off >= off && x->off < limit && x->lsn > min_lsn &&
		    x->lsn <= max_lsn &&
		    (!first || x->off < at(ix, first)->off))
			first = tree->late[i];
	}
	return first;
}

static void fill_piece(const struct stage_index *ix, uint32_t n,
		       struct stage_piece *piece)
{
	const struct node *x = at(ix, n);

	piece->lsn = x->lsn;
	piece->record_off = x->off;
	piece->record_len = x->len;
	piece->node = n;
	piece->is_zero = x->flags & F_ZERO;
	piece->is_verified = x->flags & F_VERIFIED;
}

void stage_index_find(const struct stage_index *ix,
		      const struct stage_tree *tree, uint64_t off,
		      uint64_t len, uint64_t max_lsn,
		      struct stage_piece *piece)
{
	uint32_t n = newest(ix, tree->root, off, max_lsn, 0), next;
	uint64_t limit = off + len;

	n = newest_late(ix, tree, off, max_lsn, n);
	*piece = (struct stage_piece) { .off = off };
	if (n) {
		fill_piece(ix, n, piece);
		if (at(ix, n)->off + at(ix, n)->len < limit)
			limit = at(ix, n)->off + at(ix, n)->len;
	}
	next = next_start(ix, tree->root, off + 1, limit, piece->lsn, max_lsn);
	next = next_late(ix, tree, off + 1, limit, piece->lsn, max_lsn, next);
	piece->len = (next ? at(ix, next)->off : limit) - off;
}

void stage_index_verified(struct stage_index *ix, uint32_t node)
{
	at(ix, node)->flags |= F_VERIFIED;
}

static uint32_t erase(struct stage_index *ix, uint32_t n, uint64_t min_lsn,
		      uint64_t max_lsn)
{
	struct node *x;

	if (!n)
		return 0;
	x = at(ix, n);
	if (x->max_lsn < min_lsn || x->min_lsn > max_lsn)
		return n;
	x->left = erase(ix, x->left, min_lsn, max_lsn);
	x->right = erase(ix, x->right, min_lsn, max_lsn);
	if (x->lsn >= min_lsn && x->lsn <= max_lsn) {
		uint32_t rest = merge(ix, x->left, x->right);

		node_put(ix, n);
		return rest;
	}
	pull(ix, n);
	return n;
}

void stage_index_erase(struct stage_index *ix, struct stage_tree *tree,
		       uint64_t min_lsn, uint64_t max_lsn)
{
	settle(ix, tree);
	tree->root = erase(ix, tree->root, min_lsn, max_lsn);
}
