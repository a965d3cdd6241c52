/* SPDX-License-Identifier: MulanPSL-2.0 */
/* Makes as many threads as the line it reads says; at the next line each of them writes a byte to /dev/null and closes
 * a file that is none; at the next one they end. After each line it says how many did so, when all have. Its own answers
 * are no write(). With stacks in one mapping, and two pages of each touched, a thread costs little.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STACK_BYTES = 16384 };

static _Atomic unsigned told, arrived, all_arrived;
static unsigned threads;
static int nowhere;

/* Until the word is no longer what it was. */
static void await_change(_Atomic unsigned *word, unsigned was)
{
	while (atomic_load(word) == was)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, was, NULL, NULL, 0);
}

static void change(_Atomic unsigned *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void arrive(void)
{
	if (atomic_fetch_add(&arrived, 1) + 1 == threads)
		change(&all_arrived);
}

static void *work(void *unused)
{
	arrive();
	await_change(&told, 0);
	if (write(nowhere, "", 1) != 1 || close(-1) != -1 || errno != EBADF)
		abort();
	arrive();
	await_change(&told, 1);
	return NULL;
}

static pthread_t *make(void)
{
	size_t size = (size_t)threads * STACK_BYTES;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	pthread_t *made = calloc(threads, sizeof(*made));
	pthread_attr_t attributes;
	int error;

	if (stacks == MAP_FAILED || !made)
		exit(1);
	madvise(stacks, size, MADV_NOHUGEPAGE);
	pthread_attr_init(&attributes);
	for (unsigned i = 0; i < threads; i++) {
		pthread_attr_setstack(&attributes, stacks + (size_t)i * STACK_BYTES, STACK_BYTES);
		error = pthread_create(&made[i], &attributes, work, NULL);
		if (error) {
			fprintf(stderr, "thread %u of %u: %s\n", i + 1, threads, strerror(error));
			exit(1);
		}
	}
	return made;
}

static void say(void)
{
	char text[32];
	struct iovec line = {.iov_base = text};

	line.iov_len = snprintf(text, sizeof(text), "%u\ndone:0\n", threads);
	if (writev(STDOUT_FILENO, &line, 1) < 0)
		exit(1);
}

static void await_line(char *line, int size)
{
	if (!fgets(line, size, stdin))
		exit(0);
}

int main(void)
{
	char line[32];
	pthread_t *made;

	nowhere = open("/dev/null", O_WRONLY);
	await_line(line, sizeof(line));
	threads = atoi(line);
	made = make();
	await_change(&all_arrived, 0);
	say();
	await_line(line, sizeof(line));
	atomic_store(&arrived, 0);
	change(&told);
	await_change(&all_arrived, 1);
	say();
	await_line(line, sizeof(line));
	change(&told);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(made[i], NULL);
	say();
	await_line(line, sizeof(line));
	return 0;
}
