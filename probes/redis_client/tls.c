/* SPDX-License-Identifier: MulanPSL-2.0 */
/* The few functions of OpenSSL that a client needs, declared here: neither its headers nor the library itself is needed
 * by those who do not ask for TLS. */
#include "tls.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Numbers of OpenSSL's interface. */
#define VERIFY_PEER 1
#define FILE_IS_PEM 1
#define SET_HOST_NAME 55
#define WANT_READ 2
#define WANT_WRITE 3
#define CLOSED 6

typedef struct context context;
typedef struct connection connection;

/* Each pointer is filled in by its name. */
#define FUNCTIONS(X)                                                                               \
	X(const void *, TLS_client_method, (void))                                                 \
	X(context *, SSL_CTX_new, (const void *))                                                  \
	X(void, SSL_CTX_free, (context *))                                                         \
	X(int, SSL_CTX_set_default_verify_paths, (context *))                                      \
	X(int, SSL_CTX_load_verify_locations, (context *, const char *, const char *))             \
	X(int, SSL_CTX_use_certificate_chain_file, (context *, const char *))                      \
	X(int, SSL_CTX_use_PrivateKey_file, (context *, const char *, int))                        \
	X(void, SSL_CTX_set_verify, (context *, int, void *))                                      \
	X(connection *, SSL_new, (context *))                                                      \
	X(void, SSL_free, (connection *))                                                          \
	X(int, SSL_set_fd, (connection *, int))                                                    \
	X(long, SSL_ctrl, (connection *, int, long, void *))                                       \
	X(int, SSL_set1_host, (connection *, const char *))                                        \
	X(void *, SSL_get0_param, (connection *))                                                  \
	X(int, X509_VERIFY_PARAM_set1_ip_asc, (void *, const char *))                              \
	X(int, SSL_connect, (connection *))                                                        \
	X(int, SSL_read, (connection *, void *, int))                                              \
	X(int, SSL_write, (connection *, const void *, int))                                       \
	X(int, SSL_pending, (const connection *))                                                  \
	X(int, SSL_get_error, (const connection *, int))                                           \
	X(long, SSL_get_verify_result, (const connection *))                                       \
	X(const char *, X509_verify_cert_error_string, (long))                                     \
	X(unsigned long, ERR_get_error, (void))                                                    \
	X(const char *, ERR_reason_error_string, (unsigned long))                                  \
	X(void, ERR_clear_error, (void))

static struct {
#define DECLARE(result, name, parameters) result(*name) parameters;
	FUNCTIONS(DECLARE)
} ssl;

static connection *open_connection;
static char complaint[192];

static bool load_library(void)
{
	static bool loaded;
	void *library;

	if (loaded)
		return true;
	library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		library = dlopen("libssl.so.1.1", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return false;
#define FIND(result, name, parameters)                                                             \
	*(void **)&ssl.name = dlsym(library, #name);                                               \
	if (ssl.name == NULL)                                                                      \
		return false;
	FUNCTIONS(FIND)
	loaded = true;
	return true;
}

/* An empty variable is none. */
static const char *option(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *said(const char *what)
{
	const char *reason = ssl.ERR_reason_error_string(ssl.ERR_get_error());

	snprintf(complaint, sizeof(complaint), "%s: %s", what,
		 reason != NULL ? reason : "no reason told");
	return complaint;
}

/* The files are read anew for each connection, so that a renewed certificate counts without a restart. */
static const char *configure(context *made)
{
	const char *ca = option("GOPHER_REDIS_CLIENT_TLS_CA");
	const char *cert = option("GOPHER_REDIS_CLIENT_TLS_CERT");
	const char *key = option("GOPHER_REDIS_CLIENT_TLS_KEY");

	ssl.SSL_CTX_set_verify(made, VERIFY_PEER, NULL);
	if (ca == NULL ? ssl.SSL_CTX_set_default_verify_paths(made) != 1
		       : ssl.SSL_CTX_load_verify_locations(made, ca, NULL) != 1)
		return said("cannot read the authorities to trust");
	if (cert == NULL)
		return NULL;
	if (ssl.SSL_CTX_use_certificate_chain_file(made, cert) != 1 ||
	    ssl.SSL_CTX_use_PrivateKey_file(made, key != NULL ? key : cert, FILE_IS_PEM) != 1)
		return said("cannot read the certificate to show, or its key");
	return NULL;
}

static bool expect_name(connection *made, const char *name)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return ssl.X509_VERIFY_PARAM_set1_ip_asc(ssl.SSL_get0_param(made), name) == 1;
	return ssl.SSL_set1_host(made, name) == 1 &&
	       ssl.SSL_ctrl(made, SET_HOST_NAME, 0, (void *)name) == 1;
}

static long long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static const char *shake_hands(connection *made, int server, int time_out_ms)
{
	long long end = now_ms() + time_out_ms;
	struct pollfd ready = {.fd = server};
	int result, reason;
	long verdict;

	while ((result = ssl.SSL_connect(made)) != 1) {
		reason = ssl.SSL_get_error(made, result);
		verdict = ssl.SSL_get_verify_result(made);
		if (verdict != 0) {
			snprintf(complaint, sizeof(complaint), "certificate verify failed: %s",
				 ssl.X509_verify_cert_error_string(verdict));
			return complaint;
		}
		if (reason != WANT_READ && reason != WANT_WRITE)
			return said("the server does not speak TLS as we do");
		ready.events = reason == WANT_READ ? POLLIN : POLLOUT;
		if (now_ms() >= end || poll(&ready, 1, (int)(end - now_ms())) == 0)
			return "no TLS handshake within the time-out";
	}
	return NULL;
}

const char *tls_open(int server, const char *host, int time_out_ms)
{
	const char *name = option("GOPHER_REDIS_CLIENT_TLS_NAME"), *wrong;
	connection *made;
	context *shared;

	if (!load_library())
		return "TLS is wanted, and libssl of OpenSSL 1.1 or 3 cannot be loaded";
	ssl.ERR_clear_error();
	shared = ssl.SSL_CTX_new(ssl.TLS_client_method());
	if (shared == NULL)
		return said("TLS");
	wrong = configure(shared);
	made = wrong == NULL ? ssl.SSL_new(shared) : NULL;
	ssl.SSL_CTX_free(shared); /* the connection holds it */
	if (made == NULL)
		return wrong != NULL ? wrong : said("TLS");
	if (!expect_name(made, name != NULL ? name : host) || ssl.SSL_set_fd(made, server) != 1)
		wrong = said("TLS");
	else
		wrong = shake_hands(made, server, time_out_ms);
	if (wrong != NULL)
		ssl.SSL_free(made);
	else
		open_connection = made;
	return wrong;
}

/* What recv and send would give. */
static ssize_t outcome(int result)
{
	int reason;

	if (result > 0)
		return result;
	reason = ssl.SSL_get_error(open_connection, result);
	if (reason == CLOSED)
		return 0;
	errno = reason == WANT_READ || reason == WANT_WRITE ? EAGAIN : ECONNRESET;
	ssl.ERR_clear_error();
	return -1;
}

ssize_t tls_send(const void *bytes, size_t length)
{
	return outcome(ssl.SSL_write(open_connection, bytes, (int)length));
}

ssize_t tls_receive(void *bytes, size_t size)
{
	return outcome(ssl.SSL_read(open_connection, bytes, (int)size));
}

bool tls_waiting(void)
{
	return open_connection != NULL && ssl.SSL_pending(open_connection) > 0;
}

void tls_close(void)
{
	if (open_connection != NULL)
		ssl.SSL_free(open_connection);
	open_connection = NULL;
}
