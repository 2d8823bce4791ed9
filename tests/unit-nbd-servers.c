/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NBD client and the servers that there are: nbdkit, qemu-nbd, nbd-server.
 * If this failed, a replica on such a server would not be what was sent.
 * A server that is not installed is skipped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nbd-client.h"
#include "nbd-private.h"
#include "tap.h"

#define IMAGE	(16 << 20)
#define MAX_ARGS 24

static char dir[32];
static uint8_t image[IMAGE], back[IMAGE], zeroes[IMAGE];
static char port[8], listen_port[32];

/* Words of a command: %D is the directory, %P a free port. */
static const struct server {
	const char *claim;
	const char *command;
	const char *uri;
	int err;		/* of ->closed() */
	const char *text;
	bool keeps_nothing;	/* null */
	bool may_fail;		/* requests may get errors */
	bool is_read_only;
} servers[] = {
	{ .claim = "nbdkit memory",
	  .command = "nbdkit -f -U %D/s memory 16M",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit memory over TCP",
	  .command = "nbdkit -f -i 127.0.0.1 -p %P memory 16M",
	  .uri = "nbd://127.0.0.1:%P/" },
	{ .claim = "nbdkit memory over TCP, by name",
	  .command = "nbdkit -f -i 127.0.0.1 -p %P memory 16M",
	  .uri = "nbd://localhost:%P/" },
	{ .claim = "nbdkit file",
	  .command = "nbdkit -f -U %D/s file %D/image",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit null", .keeps_nothing = true,
	  .command = "nbdkit -f -U %D/s null 16M",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, slow",
	  .command = "nbdkit -f -U %D/s --filter=delay memory 16M wdelay=5ms "
		     "rdelay=5ms",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, one request at a time",
	  .command = "nbdkit -f -U %D/s --filter=noparallel memory 16M",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, half of the requests fail", .may_fail = true,
	  .command = "nbdkit -f -U %D/s --filter=error memory 16M "
		     "error=ENOSPC error-rate=50%",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, blocks of 512 to 64 KiB",
	  .command = "nbdkit -f -U %D/s --filter=blocksize-policy memory 16M "
		     "blocksize-minimum=512 blocksize-maximum=64k "
		     "blocksize-error-policy=error",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, without zeroes",
	  .command = "nbdkit -f -U %D/s --filter=nozero --filter=fua "
		     "memory 16M fuamode=discard",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, read-only", .is_read_only = true,
	  .command = "nbdkit -f -r -U %D/s memory 16M",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, unknown export", .err = -ENOENT,
	  .text = "no such export",
	  .command = "nbdkit -f -U %D/s --filter=exportname memory 16M "
		     "exportname=a exportname-strict=true",
	  .uri = "nbd+unix:///b?socket=%D/s" },
	{ .claim = "nbdkit, TLS required", .err = -EPROTONOSUPPORT,
	  .text = "TLS",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbdkit, TLS with a PSK",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbds+unix://user@/?socket=%D/s&tls-psk-file=%D/psk" },
	{ .claim = "nbdkit, TLS with a PSK over TCP, slow",
	  .command = "nbdkit -f -i 127.0.0.1 -p %P --tls=require "
		     "--tls-psk=%D/psk --filter=delay memory 16M wdelay=2ms "
		     "rdelay=2ms",
	  .uri = "nbds://user@localhost:%P/?tls-psk-file=%D/psk" },
	{ .claim = "nbdkit, TLS with certificates",
	  .command = "nbdkit -f -i 127.0.0.1 -p %P --tls=require "
		     "--tls-certificates=%D/pki --tls-verify-peer memory 16M",
	  .uri = "nbds://127.0.0.1:%P/?tls-certificates=%D/pki" },
	{ .claim = "nbdkit, TLS with certificates, by another name",
	  .command = "nbdkit -f -U %D/s --tls=require "
		     "--tls-certificates=%D/pki --tls-verify-peer memory 16M",
	  .uri = "nbds+unix:///?socket=%D/s&tls-certificates=%D/pki&"
		 "tls-hostname=localhost" },
	{ .claim = "qemu-nbd, TLS with a PSK",
	  .command = "qemu-nbd -t -f raw -b 127.0.0.1 -p %P "
		     "--object tls-creds-psk,id=t,endpoint=server,dir=%D/q "
		     "--tls-creds t %D/image",
	  .uri = "nbds://user@127.0.0.1:%P/?tls-psk-file=%D/psk" },
	{ .claim = "another key", .err = -EKEYREJECTED, .text = "same key",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbds+unix://user@/?socket=%D/s&tls-psk-file=%D/psk2" },
	{ .claim = "another name for the key", .err = -EKEYREJECTED,
	  .text = "same key",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbds+unix://me@/?socket=%D/s&tls-psk-file=%D/psk2" },
	{ .claim = "no such key", .err = -ENOENT, .text = "no key for",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbds+unix://you@/?socket=%D/s&tls-psk-file=%D/psk2" },
	{ .claim = "a key that is none", .err = -EINVAL, .text = "hexadecimal",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbds+unix://bad@/?socket=%D/s&tls-psk-file=%D/psk2" },
	{ .claim = "a short key", .err = -EINVAL, .text = "16 bytes",
	  .command = "nbdkit -f -U %D/s --tls=require --tls-psk=%D/psk "
		     "memory 16M",
	  .uri = "nbds+unix://short@/?socket=%D/s&tls-psk-file=%D/psk2" },
	{ .claim = "a server with a certificate, a client with a key",
	  .err = -EKEYREJECTED, .text = "TLS",
	  .command = "nbdkit -f -U %D/s --tls=require "
		     "--tls-certificates=%D/pki memory 16M",
	  .uri = "nbds+unix://user@/?socket=%D/s&tls-psk-file=%D/psk" },
	{ .claim = "a certificate with another name", .err = -EKEYREJECTED,
	  .text = "name in the certificate does not match",
	  .command = "nbdkit -f -i 127.0.0.1 -p %P --tls=require "
		     "--tls-certificates=%D/pki memory 16M",
	  .uri = "nbds://127.0.0.1:%P/?tls-certificates=%D/pki&"
		 "tls-hostname=backup" },
	{ .claim = "another authority's server", .err = -EKEYREJECTED,
	  .text = "issuer is unknown",
	  .command = "nbdkit -f -i 127.0.0.1 -p %P --tls=require "
		     "--tls-certificates=%D/pki memory 16M",
	  .uri = "nbds://127.0.0.1:%P/?tls-certificates=%D/pki2" },
	{ .claim = "no certificates", .err = -EINVAL, .text = "ca-cert.pem",
	  .command = "nbdkit -f -U %D/s --tls=require "
		     "--tls-certificates=%D/pki memory 16M",
	  .uri = "nbds+unix:///?socket=%D/s&tls-certificates=%D/none&"
		 "tls-hostname=x" },
	{ .claim = "a server without TLS", .err = -EPROTONOSUPPORT,
	  .text = "does not offer TLS",
	  .command = "nbdkit -f -U %D/s memory 16M",
	  .uri = "nbds+unix://user@/?socket=%D/s&tls-psk-file=%D/psk" },
	{ .claim = "nbdkit, oldstyle", .err = -EPROTONOSUPPORT,
	  .text = "oldstyle",
	  .command = "nbdkit -f -o -U %D/s memory 16M",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "qemu-nbd",
	  .command = "qemu-nbd -t -f raw -k %D/s -x vol %D/image",
	  .uri = "nbd+unix:///vol?socket=%D/s" },
	{ .claim = "qemu-nbd over TCP",
	  .command = "qemu-nbd -t -f raw -b 127.0.0.1 -p %P %D/image",
	  .uri = "nbd://127.0.0.1:%P" },
	{ .claim = "qemu-nbd, unknown export", .err = -ENOENT,
	  .text = "no such export",
	  .command = "qemu-nbd -t -f raw -k %D/s -x vol %D/image",
	  .uri = "nbd+unix:///other?socket=%D/s" },
	{ .claim = "qemu-nbd, read-only", .is_read_only = true,
	  .command = "qemu-nbd -t -r -f raw -k %D/s %D/image",
	  .uri = "nbd+unix:///?socket=%D/s" },
	{ .claim = "nbd-server",
	  .command = "nbd-server -d -C %D/config",
	  .uri = "nbd://127.0.0.1:%P/vol" },
	{ .claim = "nbd-server, unknown export", .err = -ENOENT,
	  .text = "no such export",
	  .command = "nbd-server -d -C %D/config",
	  .uri = "nbd://127.0.0.1:%P/other" },
};

/* --- starting a server ---------------------------------------------------- */

static void expand(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; *in && n + 1 < size; in++) {
		const char *with = in[0] != '%' ? NULL : in[1] == 'D' ? dir :
				   in[1] == 'P' ? port : NULL;

		if (!with) {
			out[n++] = *in;
			continue;
		}
		n += snprintf(out + n, size - n, "%s", with);
		in++;
	}
	out[n] = '\0';
}

static void choose_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sin, len) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len))
		abort();
	close(fd);
	snprintf(port, sizeof(port), "%u", ntohs(sin.sin_port));
	snprintf(listen_port, sizeof(listen_port), "port = %s\n", port);
}

static void write_file(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f)
		abort();
	fputs(text, f);
	fclose(f);
}

static void prepare(void)
{
	char path[64], config[512];
	int fd;

	choose_port();
	snprintf(path, sizeof(path), "%s/image", dir);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	if (fd < 0 || ftruncate(fd, IMAGE))
		abort();
	close(fd);
	snprintf(config, sizeof(config),
		 "[generic]\nlistenaddr = 127.0.0.1\n%s[vol]\n"
		 "exportname = %s\nflush = true\nfua = true\ntrim = true\n",
		 listen_port, path);
	write_file("config", config);
	write_file("psk", "user:00112233445566778899aabbccddeeff\n");
	write_file("psk2", "user:00112233445566778899aabbccddeef0\n"
			   "me:00112233445566778899aabbccddeef0\n"
			   "bad:xyz\nshort:0011\n");
}

/* Two authorities, a folder for qemu. False: there is no certtool. */
static bool make_certificates(void)
{
	char command[700], here[256];

	if (!getcwd(here, sizeof(here)))
		return false;
	snprintf(command, sizeof(command), "cd %s && mkdir q && "
		 "ln -s ../psk q/keys.psk && '%s/tests/make-certificates' pki "
		 "&& '%s/tests/make-certificates' pki2", dir,
		 here, here);
	return !system(command);
}

static pid_t spawn(const struct server *s)
{
	char command[512], *args[MAX_ARGS], *save = NULL;
	int n = 0, null;
	pid_t pid;

	expand(command, sizeof(command), s->command);
	for (args[n] = strtok_r(command, " ", &save); args[n];
	     args[n] = strtok_r(NULL, " ", &save))
		n++;
	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execvp(args[0], args);
	_exit(127);
}

static bool is_installed(const struct server *s)
{
	char name[32], path[64];
	static const char *const dirs[] = { "/usr/bin", "/usr/sbin", "/bin" };
	size_t i;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(s->command, " "),
		 s->command);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

/* --- the work ------------------------------------------------------------- */

enum phase { WRITES, ZEROES, FLUSH, READS, LEAVE };

static struct work {
	const struct server *server;
	enum phase phase;
	uint64_t random;
	bool is_tcp;
	int is_kept_alive;
} work;

static uint64_t next_random(void)
{
	work.random = work.random * 6364136223846793005ULL + 1;
	return work.random >> 33;
}

/* Scattered, no two to the same place, since NBD orders nothing. */
static void start_writes(struct client *c)
{
	unsigned int i, flags = c->info.can_fua ? NBD_REQ_FUA : 0;
	uint64_t len;

	for (i = 0; i < 40; i++) {
		len = 512 * (1 + next_random() % 512);
		nbd_write(c->conn, client_req(c), image + i * 262144, len,
			  i * 262144, i % 4 ? 0 : flags);
		memset(image + i * 262144 + len, 0, 262144 - len);
	}
	nbd_write(c->conn, client_req(c), image + 40 * 262144,
		  IMAGE - 40 * 262144, 40 * 262144, 0);
}

static void start_zeroes(struct client *c)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		uint64_t off = i * (2 << 20) + 4096 * i, len = 4096 << i % 5;

		memset(image + off, 0, len);
		if (c->info.can_write_zeroes)
			nbd_write_zeroes(c->conn, client_req(c), len, off,
					 i % 2 ? NBD_REQ_NO_HOLE : 0);
		else
			nbd_write(c->conn, client_req(c), zeroes, len, off, 0);
	}
}

static void start_reads(struct client *c)
{
	unsigned int i;

	for (i = 0; i < 15; i++)
		nbd_read(c->conn, client_req(c), back + i * (1 << 20),
			 1 << 20, i * (1 << 20));
	for (i = 15 * 32; i < 16 * 32; i++)
		nbd_read(c->conn, client_req(c), back + i * 32768, 32768,
			 i * 32768);
}

static void start_phase(struct client *c)
{
	switch (work.phase) {
	case WRITES:
		start_writes(c);
		break;
	case ZEROES:
		start_zeroes(c);
		break;
	case FLUSH:
		nbd_flush(c->conn, client_req(c));
		break;
	case READS:
		start_reads(c);
		break;
	case LEAVE:
		nbd_disconnect(c->conn);
	}
}

static void on_ready(struct client *c)
{
	socklen_t len = sizeof(work.is_kept_alive);

	if (!c->conn->uri.socket)
		getsockopt(c->conn->fd, SOL_SOCKET, SO_KEEPALIVE,
			   &work.is_kept_alive, &len);
	work.is_tcp = !c->conn->uri.socket;
	start_phase(c);
}

static void after_each(struct client *c, struct client_req *r)
{
	(void)r;
	if (!client_all_done(c))
		return;
	if (work.phase == WRITES && work.server->is_read_only)
		work.phase = FLUSH;
	else
		work.phase++;
	if (work.phase == FLUSH && !c->info.can_flush)
		work.phase++;
	start_phase(c);
}

static unsigned int nr_errors(const struct client *c)
{
	unsigned int i, nr = 0;

	for (i = 0; i < c->nr_started; i++)
		nr += c->reqs[i].err != 0;
	return nr;
}

static void check_work(const struct server *s, const struct client *c)
{
	if (s->is_read_only) {
		is_int(c->reqs[0].err, -EROFS, "%s: a write is refused",
		       s->claim);
		return;
	}
	if (s->may_fail) {
		ok(nr_errors(c) > 0 && nr_errors(c) < c->nr_started,
		   "%s: %u of %u failed", s->claim, nr_errors(c),
		   c->nr_started);
		return;
	}
	ok(!work.is_tcp || work.is_kept_alive, "%s: kept alive", s->claim);
	is_int(nr_errors(c), 0, "%s: %u requests", s->claim, c->nr_started);
	ok(c->info.size == IMAGE &&
	   !memcmp(back, s->keeps_nothing ? zeroes : image, IMAGE),
	   "%s: reads back what was written", s->claim);
}

/* The server may not be listening yet. */
static struct client *connect_to(const struct server *s)
{
	/* Whether they know the question or not, they must go on. */
	const struct nbd_opts opts = { .ask_suffix = "@sum" };
	struct client *c = NULL;
	char uri[256];
	int i;

	expand(uri, sizeof(uri), s->uri);
	for (i = 0; i < 1200; i++) {
		free(c);
		c = calloc(1, sizeof(*c));
		c->on_ready = on_ready;
		c->on_done = after_each;
		client_run(c, uri, &opts);
		if (c->nr_ready || (c->err != -ECONNREFUSED &&
		    (c->err != -ENOENT || !strstr(c->text, "connect:"))))
			break;
		usleep(50000);
	}
	return c;
}

static void check_server(const struct server *s)
{
	struct client *c;
	pid_t pid;
	size_t i;

	if (!is_installed(s)) {
		ok(1, "%s # SKIP not installed", s->claim);
		return;
	}
	prepare();
	work = (struct work){ .server = s, .random = 42 };
	for (i = 0; i < IMAGE; i++)
		image[i] = next_random();
	memset(back, 1, IMAGE);
	pid = spawn(s);
	c = connect_to(s);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(c->err == s->err && c->nr_closed == 1 && client_all_done(c) &&
	   strstr(c->text, s->text ?: ""), "%s: %s", s->claim,
	   c->err ? c->text : "a good end");
	if (!s->err)
		check_work(s, c);
	free(c);
}

static void remove_files(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		ok(0, "%s is left", dir);
}

int main(void)
{
	char socket_path[64];
	size_t i;

	strcpy(dir, "/tmp/nbd-servers-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	ok(make_certificates(), "certificates are made");
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		unlink(socket_path);
		check_server(&servers[i]);
	}
	remove_files();
	return tap_done();
}
