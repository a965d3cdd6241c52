/* SPDX-License-Identifier: MulanPSL-2.0 */
/* TLS on one connection, by the host's OpenSSL 1.1 or 3, which is looked for only when it is wanted. */
#include <stdbool.h>
#include <sys/types.h>

/* Shakes hands over a connected socket that does not wait. NULL when the server is the one that its certificate, and an
 * authority that is trusted, vouch for; otherwise what is wrong. */
const char *tls_open(int server, const char *host, int time_out_ms);
/* As send and recv that do not wait. */
ssize_t tls_send(const void *bytes, size_t length);
ssize_t tls_receive(void *bytes, size_t size);
/* Whether something has come that the socket does not tell any more. */
bool tls_waiting(void);
void tls_close(void);
