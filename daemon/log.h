/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What replicad says, on stderr, a line each:
 *
 *	replicad: NAME: text
 *
 * info = the mode changed, warn = degraded, err = an operator must act, debug
 * = only with log_level=debug. Any thread may log; a line is one write(2).
 * Under systemd (JOURNAL_STREAM is set) each line begins with its <priority>.
 */
#ifndef REPLICAD_LOG_H
#define REPLICAD_LOG_H

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Set once, before the first thread is started. */
void log_set_level(enum log_level level);

/*
 * @name: the volume, group or part that the line is about; NULL = the daemon.
 * Text longer than a line (1000 bytes) is cut.
 */
void log_line(enum log_level level, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * How @event goes of @what ("volume" ...), @name: a line; to the systemd
 * journal, where it listens, with the fields REPLICA_EVENT and REPLICA_VOLUME
 * (or _GROUP, _POOL, _HOST). @error: a sentence, or NULL. Neither it nor @name
 * has control characters.
 */
void log_event(enum log_level level, const char *event, const char *what,
	       const char *name, const char *error);

#define log_err(name, ...)	log_line(LOG_LEVEL_ERR, name, __VA_ARGS__)
#define log_warn(name, ...)	log_line(LOG_LEVEL_WARN, name, __VA_ARGS__)
#define log_info(name, ...)	log_line(LOG_LEVEL_INFO, name, __VA_ARGS__)
#define log_debug(name, ...)	log_line(LOG_LEVEL_DEBUG, name, __VA_ARGS__)

#endif
