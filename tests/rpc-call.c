// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Speaks to the control socket ($REPLICA_SOCKET), for tests:
 *
 *	rpc-call METHOD [PARAMS]	the result; exit status as refused
 *	rpc-call get VOLUME FIELD	one field of the status of a volume
 *	rpc-call raw TEXT		sends TEXT as it is, prints one line
 *	rpc-call events SECONDS		prints events for so long
 *
 * RPC_SENT=FILE: FILE is made when the request of a METHOD is on its way.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, unsigned int seconds)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = seconds };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static json_t *exchange(FILE *stream, const char *method, const char *params)
{
	char *line = NULL;
	size_t size = 0;
	json_t *answer = NULL;

	fprintf(stream, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\","
		"\"params\":%s}\n", method, params);
	fflush(stream);
	if (getenv("RPC_SENT"))
		close(open(getenv("RPC_SENT"), O_CREAT | O_WRONLY, 0600));
	if (getline(&line, &size, stream) > 0)
		answer = json_loads(line, 0, NULL);
	free(line);
	return answer;
}

static int print_result(json_t *answer)
{
	json_t *error = json_object_get(answer, "error"), *status;

	if (error) {
		fprintf(stderr, "%s\n", json_string_value(json_object_get(error,
			"message")));
		status = json_object_get(json_object_get(error, "data"),
					 "exit");
		return json_integer_value(status);
	}
	json_dumpf(json_object_get(answer, "result"), stdout, JSON_INDENT(1));
	putchar('\n');
	return answer ? 0 : 1;
}

static int print_field(json_t *answer, const char *volume, const char *field)
{
	json_t *volumes = json_object_get(json_object_get(answer, "result"),
					  "volumes"), *one, *value = NULL;
	size_t i;

	json_array_foreach(volumes, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "name")),
			    volume))
			value = json_object_get(one, field);
	if (json_is_string(value))
		puts(json_string_value(value));
	else if (value)
		json_dumpf(value, stdout, JSON_ENCODE_ANY);
	return value ? 0 : 1;
}

static int print_lines(FILE *stream, const char *text)
{
	char *line = NULL;
	size_t size = 0;

	fprintf(stream, "%s\n", text);
	fflush(stream);
	while (getline(&line, &size, stream) > 0) {
		fputs(line, stdout);
		fflush(stdout);
		if (strncmp(text, "{\"jsonrpc\":\"2.0\",\"id\":1,"
			    "\"method\":\"events\"", 41))
			break;
	}
	free(line);
	return 0;
}

int main(int argc, char **argv)
{
	const char *path = getenv("REPLICA_SOCKET");
	bool is_events = argc == 3 && !strcmp(argv[1], "events");
	FILE *stream;
	int fd;

	if (argc < 2 || !path)
		return 2;
	fd = connect_to(path, is_events ? atoi(argv[2]) : 120);
	stream = fd < 0 ? NULL : fdopen(fd, "r+");
	if (!stream) {
		fprintf(stderr, "%s: nobody listens\n", path);
		return 1;
	}
	if (is_events)
		return print_lines(stream, "{\"jsonrpc\":\"2.0\",\"id\":1,"
				   "\"method\":\"events\"}");
	if (argc == 3 && !strcmp(argv[1], "raw"))
		return print_lines(stream, argv[2]);
	if (argc == 4 && !strcmp(argv[1], "get"))
		return print_field(exchange(stream, "status", "{}"), argv[2],
				   argv[3]);
	return print_result(exchange(stream, argv[1], argc > 2 ? argv[2] :
							      "{}"));
}
