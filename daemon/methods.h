/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For those who answer requests: methods.c has the table of all. */
#ifndef REPLICAD_METHODS_H
#define REPLICAD_METHODS_H

#include <jansson.h>
#include <stdbool.h>

struct daemon;
struct error;
struct pairing;
struct made;
struct request;
struct volume_config;

/* What replicactl exits with (DESIGN.md 8) for this -errno. */
int method_exit_status(int err);
/* The answer to @request is @err. */
void method_refuse(struct request *request, const struct error *err);

/*
 * The volume gets what @params has of @keys (NULL ends them), and all of
 * "options". -errno with a sentence in @error, also for what is not a text.
 */
int method_set_keys(struct volume_config *config, json_t *params,
		    const char *const keys[], char *error);

/* methods.c */
/*
 * Who joins a group goes where that goes: gets what its members prefer, if its
 * target is not its own. Settled. 0 or -errno with a sentence.
 */
int method_go_with_group(const struct daemon *daemon,
			 struct volume_config *config, char *error);
void do_extend(struct request *request);

/*
 * methods-route.c: takes the request, which may come back by @call, if the
 * volume may be active at the other side of a pair; else false.
 */
bool route_request(struct request *request, const char *method,
		   void (*call)(struct request *request));
void do_peer(struct request *request);
/* O10: what the other side has said; in place, as ASCII. */
void route_text_printable(char *text);
void route_make_printable(json_t *value);
/* O13: @names, an array of texts, were given up before. NULL: no memory. */
json_t *route_describe_over(json_t *names, bool is_group, bool is_dry);
/* What the volume is to the pair that it is sent to, *@p; NULL: to none. */
const char *route_name_there(const struct daemon *daemon, const char *volume,
			     struct pairing **p);

/*
 * methods-keep.c. resolve --keep local: the other side gives it up
 * [do_give_up there].
 */
void keep_local(struct request *request);
/* Which pair has sent what was promoted here, and serves its stage; NULL. */
struct pairing *route_successor_of(const struct daemon *daemon,
				   const char *volume);
void do_give_up(struct request *request);

/* methods-recover.c */
void do_recover(struct request *request);

/* methods-replicas.c */
void do_replicas(struct request *request);

/* methods-history.c */
void do_history(struct request *request);
void do_test(struct request *request);
void do_test_list(struct request *request);
void do_test_drop(struct request *request);
/* A testdev_done_fn; @arg is the request. */
void method_testdev_done(void *arg, json_t *result, const struct error *err);

/* methods-failover.c */
void do_failover(struct request *request);
void do_resolve(struct request *request);

/* methods-salvage.c */
void do_salvage_list(struct request *request);
void do_salvage_drop(struct request *request);
void do_salvage_device(struct request *request);

/* methods-config.c */
void do_reload(struct request *request);
void do_set_type(struct request *request);
void do_target_use(struct request *request);

/* methods-target.c */
void do_targets(struct request *request);
void do_target_add(struct request *request);
void do_target_set(struct request *request);
void do_target_remove(struct request *request);

/* methods-enable.c: take the request, unless it is of one "volume" only. */
bool enable_many(struct request *request);
bool disable_many(struct request *request);
/*
 * *@config: a copy of what the files have (the caller's); NULL: they have it
 * not. -errno with a sentence in @error: they do, but more is said of it here.
 */
int enable_check_no_file(const struct daemon *daemon, const char *name,
			 struct error *err);
int enable_of_file(const struct request *request, const char *name,
		   struct volume_config **config, char *error);

/* methods-check.c */
void do_target_check(struct request *request);

/* methods-make.c */
void do_create(struct request *request);
void do_clone(struct request *request);
void do_delete(struct request *request);
/* With "size_bytes", of one that was made here. */
void extend_made(struct request *request, const char *name);
void do_made(struct request *request);
/* As in the answer of the method made. */
json_t *made_describe(const struct made *m);
/* Those that are not replicated, nor promoted, as "made" has them. @only: NULL,
 * or a name. */
json_t *made_not_replicated(const struct daemon *daemon, const char *only);

/*
 * methods-snapshot.c. Where the "volume" may be used here, @then; else the
 * request is refused.
 */
void method_if_usable(struct request *request,
		      void (*then)(struct request *request));
void do_snapshot(struct request *request);
void do_snapshot_list(struct request *request);
void do_snapshot_drop(struct request *request);

/* methods-path.c */
void do_path(struct request *request);

/* methods-delete.c */
void do_delete_replica(struct request *request);
/* The same of what was given up here, for good: with its base. */
void delete_given_up(struct request *request);
/* What is known of one that was given up, if nobody has it any more. */
void delete_forget_given_up(const struct daemon *daemon, const char *name);

/* methods-delete-promoted.c: of a "volume" that there is a promotion of. */
void do_delete_promoted(struct request *request);

/* methods-pair.c */
void do_pair_invite(struct request *request);
void do_pair_join(struct request *request);
void do_pair_list(struct request *request);
void do_pair_revoke(struct request *request);

#endif
