/* SPDX-License-Identifier: MulanPSL-2.0 */
/* Measures how long a Redis server takes to answer, through one connection of its own, as its clients see it.
 * Requests leave on a clock, also while earlier ones wait: a server that stalls is not asked less often. */
#define _GNU_SOURCE
#include "tls.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define MAX_QUEUE 65536
#define REPEAT (600 * SECOND)

static struct {
	const char *host, *port, *command;
	int64_t period, send_every, time_out;
	unsigned int key_range, queue;
	bool tls;
} options = {"127.0.0.1", "6379", "get", 5 * SECOND, SECOND / 10, 3 * SECOND, 10000, 1000, false};

/* Times at which the requests that wait were sent, a ring. */
static int64_t sent[MAX_QUEUE];
static unsigned int oldest, waiting;
static bool logging_in;

static int server = -1;
static char client_ip[INET6_ADDRSTRLEN], server_ip[INET6_ADDRSTRLEN];
static char client_port[8], server_port[8];

static struct {
	unsigned int count;
	int64_t min, max, recent;
} sample;

/* The start of a reply's line, and how much of a bulk body is still to come. */
static char line[256];
static size_t line_length, body_left;

static char complaint[256];
static int64_t complained_at;

static int64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

/* Says what is wrong, the same only once in REPEAT, and gives the connection up. */
__attribute__((format(printf, 1, 2))) static void give_up(const char *format, ...)
{
	char text[sizeof(complaint)];
	int64_t now = now_ns();
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *at = text; *at != '\0'; at++)
		if (!isprint((unsigned char)*at))
			*at = '?';
	if (strcmp(text, complaint) != 0 || now - complained_at >= REPEAT) {
		dprintf(STDERR_FILENO, "[WARN] no rows from Redis at %s:%s: %s\n", options.host,
			options.port, text);
		strcpy(complaint, text);
		complained_at = now;
	}
	tls_close();
	if (server >= 0)
		close(server);
	server = -1;
}

static void answers(void)
{
	if (complaint[0] != '\0')
		dprintf(STDERR_FILENO, "[INFO] Redis at %s:%s answers again\n", options.host,
			options.port);
	complaint[0] = '\0';
}

static void send_request(const char *text, size_t length)
{
	/* A few bytes always fit, unless the server has stopped reading. */
	ssize_t done = options.tls ? tls_send(text, length)
				   : send(server, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (done != (ssize_t)length) {
		give_up("the server takes no more requests");
		return;
	}
	sent[(oldest + waiting++) % MAX_QUEUE] = now_ns();
}

static void send_sample(void)
{
	char request[64], key[16];
	int length;

	if (waiting >= options.queue)
		return;
	snprintf(key, sizeof(key), "%u",
		 options.key_range > 0 ? (unsigned int)random() % options.key_range : 0);
	if (strcmp(options.command, "get") == 0)
		length = snprintf(request, sizeof(request), "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n",
				  strlen(key), key);
	else
		length = snprintf(request, sizeof(request), "*1\r\n$4\r\nPING\r\n");
	send_request(request, length);
}

/* From the environment or the file that it names; never an option, since everybody may read a command line. */
static bool read_password(char *password, size_t size)
{
	const char *file = getenv("GOPHER_REDIS_CLIENT_PASSWORD_FILE");
	const char *value = getenv("GOPHER_REDIS_CLIENT_PASSWORD");
	FILE *stream;

	snprintf(password, size, "%s", value != NULL ? value : "");
	if (file == NULL || file[0] == '\0')
		return true;
	stream = fopen(file, "re");
	if (stream == NULL) {
		give_up("cannot read the password file: %s", strerror(errno));
		return false;
	}
	if (fgets(password, (int)size, stream) == NULL)
		password[0] = '\0';
	fclose(stream);
	password[strcspn(password, "\r\n")] = '\0';
	return true;
}

static void log_in(void)
{
	const char *user = getenv("GOPHER_REDIS_CLIENT_USER");
	char password[512], request[1200];
	int length;

	if (!read_password(password, sizeof(password)))
		return;
	logging_in = password[0] != '\0';
	if (!logging_in)
		return;
	if (user != NULL && strlen(user) < 256)
		length = snprintf(request, sizeof(request),
				  "*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(user),
				  user, strlen(password), password);
	else
		length = snprintf(request, sizeof(request), "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n",
				  strlen(password), password);
	send_request(request, length);
	memset(password, 0, sizeof(password));
	memset(request, 0, sizeof(request));
}

static bool connect_within(const struct addrinfo *address)
{
	struct pollfd writable;
	socklen_t size = sizeof(int);
	int error = 0;

	server = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server < 0)
		return false;
	if (connect(server, address->ai_addr, address->ai_addrlen) == 0)
		return true;
	writable = (struct pollfd){.fd = server, .events = POLLOUT};
	if (errno == EINPROGRESS) {
		errno = ETIMEDOUT;
		if (poll(&writable, 1, (int)(options.time_out / 1000000)) == 1 &&
		    getsockopt(server, SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
			if (error == 0)
				return true;
			errno = error;
		}
	}
	error = errno;
	close(server);
	server = -1;
	errno = error;
	return false;
}

static void learn_addresses(void)
{
	struct sockaddr_storage own, peer;
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer);
	const int flags = NI_NUMERICHOST | NI_NUMERICSERV;

	getsockname(server, (struct sockaddr *)&own, &own_size);
	getpeername(server, (struct sockaddr *)&peer, &peer_size);
	getnameinfo((struct sockaddr *)&own, own_size, client_ip, sizeof(client_ip), client_port,
		    sizeof(client_port), flags);
	getnameinfo((struct sockaddr *)&peer, peer_size, server_ip, sizeof(server_ip), server_port,
		    sizeof(server_port), flags);
}

static void open_connection(void)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *each;
	const char *wrong;
	int failure = getaddrinfo(options.host, options.port, &hints, &found), one = 1;

	if (failure != 0) {
		give_up("%s", gai_strerror(failure));
		return;
	}
	for (each = found; each != NULL && !connect_within(each); each = each->ai_next)
		;
	freeaddrinfo(found);
	if (server < 0) {
		give_up("%s", strerror(errno));
		return;
	}
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	oldest = waiting = 0;
	line_length = body_left = 0;
	memset(&sample, 0, sizeof(sample));
	learn_addresses();
	wrong = options.tls ? tls_open(server, options.host, (int)(options.time_out / 1000000))
			    : NULL;
	if (wrong != NULL)
		give_up("%s", wrong);
	else
		log_in();
}

/* One reply is complete; `text` is its first line. */
static void take_reply(const char *text)
{
	int64_t time;

	if (waiting == 0) {
		give_up("it answers what was not asked");
		return;
	}
	time = now_ns() - sent[oldest];
	oldest = (oldest + 1) % MAX_QUEUE;
	waiting--;
	if (text[0] == '-' && (logging_in || strncmp(text, "-NO", 3) == 0)) {
		give_up("the server refuses: %s", text + 1);
		return;
	}
	if (logging_in) {
		logging_in = false;
		return;
	}
	answers();
	if (sample.count == 0 || time < sample.min)
		sample.min = time;
	if (time > sample.max)
		sample.max = time;
	sample.recent = time;
	sample.count++;
}

static void take_line(void)
{
	long length;

	line[line_length] = '\0';
	line_length = 0;
	if (line[0] == '$') {
		length = strtol(line + 1, NULL, 10);
		/* The body and its CRLF; -1 is a key that does not exist. */
		body_left = length >= 0 ? (size_t)length + 2 : 0;
		if (body_left > 0)
			return;
	} else if (strchr("+-:", line[0]) == NULL || line[0] == '\0') {
		give_up("this is no Redis server");
		return;
	}
	take_reply(line);
}

static void take_bytes(const char *bytes, size_t length)
{
	while (length > 0 && server >= 0) {
		if (body_left > 0) {
			size_t part = body_left < length ? body_left : length;

			bytes += part;
			length -= part;
			body_left -= part;
			if (body_left == 0)
				take_reply(line);
			continue;
		}
		if (*bytes == '\n')
			take_line();
		else if (*bytes != '\r' && line_length < sizeof(line) - 1)
			line[line_length++] = *bytes;
		bytes++;
		length--;
	}
}

static void read_replies(void)
{
	char buffer[16384];
	ssize_t got = options.tls ? tls_receive(buffer, sizeof(buffer))
				  : recv(server, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (got > 0)
		take_bytes(buffer, got);
	else if (got == 0)
		give_up("the server closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		give_up("%s", strerror(errno));
}

/* One write of less than PIPE_BUF bytes: a row is never cut. */
static void report(void)
{
	char row[512], times[96] = "||";
	int length;

	if (sample.count > 0)
		snprintf(times, sizeof(times), "%.3f|%.3f|%.3f", sample.min / 1e3, sample.max / 1e3,
			 sample.recent / 1e3);
	length = snprintf(row, sizeof(row), "|redis_client|%s|%s|%s|%s|%d|%u|%s|%s|%u|\n",
			  client_ip, client_port, server_ip, server_port, (int)getpid(),
			  sample.count, times, options.command, waiting);
	if (write(STDOUT_FILENO, row, length) != length && errno == EPIPE)
		exit(0);
	memset(&sample, 0, sizeof(sample));
}

static int64_t seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*end != '\0' || !(value >= 0.05 && value <= 86400)) {
		fprintf(stderr, "[ERROR] \"%s\" is not 0.05 to 86400 seconds\n", text);
		exit(2);
	}
	return (int64_t)(value * SECOND);
}

static unsigned int whole(const char *text, unsigned int least, unsigned int most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || *end != '\0' || value < least || value > most) {
		fprintf(stderr, "[ERROR] \"%s\" is not %u to %u\n", text, least, most);
		exit(2);
	}
	return value;
}

/* Letters as in the original; -n and -T are new. */
static void read_options(int count, char **words)
{
	const char *tls = getenv("GOPHER_REDIS_CLIENT_TLS");
	int letter;

	options.tls = tls != NULL && strcmp(tls, "on") == 0;
	while ((letter = getopt(count, words, "h:p:r:d:q:t:s:n:T")) != -1) {
		switch (letter) {
		case 'h':
			options.host = optarg;
			break;
		case 'p':
			options.port = optarg;
			break;
		case 'r':
			options.key_range = whole(optarg, 0, UINT32_MAX);
			break;
		case 'd':
			options.period = seconds(optarg);
			break;
		case 'q':
			options.queue = whole(optarg, 0, MAX_QUEUE);
			break;
		case 't':
			options.command = optarg;
			break;
		case 's':
			break; /* length of the values that the original writes */
		case 'n':
			options.send_every = SECOND / whole(optarg, 1, 10000);
			break;
		case 'T':
			options.tls = true;
			break;
		default:
			fprintf(stderr, "[ERROR] usage: redis_client [-h host] [-p port] [-d "
					"seconds] [-t get|ping] "
					"[-r keys] [-q requests] [-n a second] [-T]\n");
			exit(2);
		}
	}
	if (options.queue == 0) /* the original's word for no limit */
		options.queue = MAX_QUEUE;
	if (strcmp(options.command, "get") != 0 && strcmp(options.command, "ping") != 0) {
		fprintf(stderr, "[ERROR] command \"%s\": only get and ping, which change nothing\n",
			options.command);
		exit(2);
	}
}

/* A terminal or /dev/null says nothing about the agent. */
static bool stdin_is_pipe(void)
{
	struct stat status;

	return fstat(STDIN_FILENO, &status) == 0 &&
	       (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

static void wait_until(int64_t time, bool watch_stdin)
{
	struct pollfd ready[2] = {{.fd = watch_stdin ? STDIN_FILENO : -1, .events = POLLIN},
				  {.fd = server, .events = POLLIN}};
	int64_t left = time - now_ns();
	struct timespec limit = {left > 0 ? left / SECOND : 0, left > 0 ? left % SECOND : 0};
	char ignored[4096];

	if (ppoll(ready, 2, &limit, NULL) <= 0)
		return;
	if (ready[0].revents != 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
		exit(0);
	if (ready[1].revents != 0)
		read_replies();
	while (server >= 0 && tls_waiting())
		read_replies();
}

int main(int count, char **words)
{
	int64_t next_send = now_ns(), next_report, now;
	bool watch_stdin = stdin_is_pipe();
	pid_t parent = getppid();

	read_options(count, words);
	signal(SIGPIPE, SIG_IGN);
	srandom(getpid());
	next_report = next_send + options.period;
	while (getppid() == parent) {
		now = now_ns();
		if (server >= 0 && waiting > 0 && now - sent[oldest] > options.time_out)
			give_up("no answer within the time-out");
		if (now >= next_report) {
			if (server >= 0 && !logging_in)
				report();
			else if (server < 0)
				open_connection();
			next_report = now + options.period;
		}
		if (now >= next_send) {
			if (server < 0 && complaint[0] == '\0')
				open_connection(); /* the first time */
			if (server >= 0 && !logging_in)
				send_sample();
			next_send = now + options.send_every;
		}
		wait_until(next_send < next_report ? next_send : next_report, watch_stdin);
	}
	return 0;
}
