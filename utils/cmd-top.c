// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "top": the status as a full screen that is drawn again and again.
 *
 * T1 the terminal is as it was (main screen, cursor, echo) after any end that
 *    a program can see: q, Ctrl-C, SIGTERM, SIGHUP, a crash (atexit and the
 *    handlers of the signals that kill write the same few bytes);
 * T2 each frame is one write, no wider and no longer than the terminal: nothing
 *    scrolls, and half a frame is never seen;
 * T3 a failure of replicad is a line on the screen, not an end: it may go on.
 *    While it hangs, q and Ctrl-C wait for ANSWER_S at most (or --timeout);
 * T4 while it is stopped (Ctrl-Z) the terminal is the shell's, as with T1; when
 *    it is continued, also after a SIGSTOP, it is as at the beginning.
 */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"
#include "print.h"
#include "top-history.h"
#include "top-screen.h"

#define EVERY_S		2
#define ANSWER_S	2

static struct termios saved, quiet;
static volatile sig_atomic_t is_over, is_entered;

static void leave(void)
{
	static const char back[] = "\033[?25h\033[?1049l";

	if (!is_entered)
		return;
	is_entered = 0;
	/* Both are safe in a signal handler; nothing can be done on failure. */
	if (write(STDOUT_FILENO, back, sizeof(back) - 1) < 0)
		errno = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

/* Also in a signal handler. First the mode: in the background it waits here. */
static void take(void)
{
	static const char there[] = "\033[?1049h\033[?25l";

	is_entered = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
	if (write(STDOUT_FILENO, there, sizeof(there) - 1) < 0)
		errno = 0;
}

static void on_end(int sig)
{
	is_over = 1;
}

static void on_crash(int sig)
{
	leave();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void on_resize(int sig)
{
	/* poll() returns, and the next frame asks for the size. */
}

static void catch(int sig, void (*handler)(int sig))
{
	struct sigaction sa = { .sa_handler = handler };

	sigaction(sig, &sa, NULL);
}

/* T4: the handler is not in force while it runs, so raise() stops us. */
static void on_stop(int sig)
{
	struct sigaction sa = { .sa_handler = on_stop,
				.sa_flags = SA_RESETHAND | SA_NODEFER };
	int err = errno;

	leave();
	raise(sig);
	sigaction(sig, &sa, NULL);
	errno = err;
}

static void on_continue(int sig)
{
	int err = errno;

	if (!is_over)
		take();
	errno = err;
}

static void enter(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	static const int crashes[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE,
				       SIGQUIT };
	struct sigaction stop = { .sa_handler = on_stop,
				  .sa_flags = SA_RESETHAND | SA_NODEFER };
	unsigned int i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		catch(ends[i], on_end);
	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		catch(crashes[i], on_crash);
	catch(SIGWINCH, on_resize);
	catch(SIGCONT, on_continue);
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	atexit(leave);
	take();
	sigaction(SIGTSTP, &stop, NULL);
}

static void get_size(struct screen *screen)
{
	struct winsize size;

	screen->columns = 80;
	screen->lines = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ||
	    !size.ws_row)
		return;
	screen->columns = size.ws_col;
	screen->lines = size.ws_row;
}

/* 'q', or the wait is over, or a signal came. */
static void wait_for(double seconds)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (poll(&pfd, 1, seconds * 1000) <= 0)
		return;
	if (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q')
		is_over = 1;
}

static void draw(const struct args *args, struct history *history)
{
	struct screen screen;
	json_t *status = ctl_peek_for(args, ANSWER_S, "status", json_object());

	history_add(history, json_object_get(status, "volumes"));
	get_size(&screen);
	screen_begin(&screen);
	screen_status(&screen, status, history);
	screen_end(&screen);
	json_decref(status);
}

static int run(const struct args *args)
{
	const char *text = args_value(args, "every");
	struct history *history;
	double seconds = EVERY_S;

	if (text && (args_seconds(text, &seconds) || seconds < 0.1 ||
		     seconds > 3600))
		return ctl_fail(args, STATUS_USAGE, "--every=%.20s is not a time"
				" from 0.1s to 1h", text);
	if (args_has(args, "json"))
		return ctl_fail(args, STATUS_USAGE, "top is for people; for "
				"programs: replicactl status --watch --json");
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return ctl_fail(args, STATUS_USAGE, "top needs a terminal; "
				"without one: replicactl status --watch");
	history = history_create();
	if (!history)
		return ctl_fail(args, STATUS_FAILED, "not enough memory");
	setlocale(LC_CTYPE, "");
	enter();
	while (!is_over) {
		draw(args, history);
		wait_for(seconds);
	}
	leave();
	history_destroy(history);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "every", "TIME", "how often it is drawn (2s)" },
	{ NULL }
};

const struct command cmd_top = {
	.name = "top",
	.words = "",
	.summary = "all volumes, live, on the whole screen",
	.examples = "    replicactl top\n"
		    "    replicactl top --every 500ms\n",
	.text =
	"Draws the volumes again and again, those that are not well first, then by\n"
	"lag: state, lag, rate, what is dirty, and how the lag went (the newest at\n"
	"the right). q or Ctrl-C ends it; the terminal is as it was then.\n",
	.options = options,
	.run = run,
};
