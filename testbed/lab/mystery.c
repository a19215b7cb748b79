/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/mystery.h"

#include "io/cli.h"
#include "lab/witness.h"
#include "settings/mystery.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES 4096
#define ANSWER_SECONDS 2

/* What is known of a mystery while its lab runs. */
struct mystery_state {
	uint64_t seed;
	struct witness *witness;
	json_t *earlier;	/* wrong answers, in their order */
	json_t *last;	/* the result that ended it; NULL: it goes on */
};

/* The socket's address has no name in any file system: it is gone with the lab. */
static socklen_t address_of(struct sockaddr_un *address)
{
	static const char name[] = "reseg-mystery";

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path + 1, name, sizeof(name) - 1);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name));
}

/* Results ---------------------------------------------------------------------------- */

static json_t *guess_json(const char *fault, uint32_t segment_size)
{
	json_t *size = segment_size > 0 ? json_integer(segment_size) : json_null();

	return json_pack("{s:s, s:o}", "fault", fault, "segment_size", size);
}

static json_t *secret_json(const struct mystery *secret)
{
	char *text = faultspec_text(&secret->fault);
	json_t *json = guess_json(text ? text : secret->fault.kind->name, secret->segment_size);

	free(text);
	return json;
}

json_t *mystery_result(uint64_t seed, const struct mystery_guess *guess)
{
	static const char *const names[] = {
		[MYSTERY_WRONG] = "wrong", [MYSTERY_PARTLY] = "partly", [MYSTERY_RIGHT] = "right"
	};
	const struct mystery secret = mystery_of(seed);
	bool gave_up = strcmp(guess->fault, MYSTERY_GIVE_UP) == 0;
	enum mystery_verdict verdict = MYSTERY_WRONG;
	struct error error;

	if (!gave_up && !mystery_judge(&secret, guess, &verdict, &error))
		return json_pack("{s:s}", "error", error.text);
	return json_pack("{s:s, s:o, s:o, s:s, s:o}", "version", RESEG_VERSION, "seed",
			 json_integer((json_int_t)seed), "answer",
			 guess_json(guess->fault, guess->segment_size), "verdict",
			 gave_up ? "gave up" : names[verdict], "secret",
			 gave_up || verdict == MYSTERY_RIGHT ? secret_json(&secret) : json_null());
}

/* Adds what the lab knows, and remembers the answer. Once the secret is out, later answers get the
 * result that ended it. */
static json_t *answer(struct mystery_state *m, const struct mystery_guess *guess)
{
	json_t *result;

	if (m->last) {
		json_object_set_new(m->last, "again", json_true());
		return json_incref(m->last);
	}
	result = mystery_result(m->seed, guess);
	if (json_object_get(result, "error"))
		return result;
	witness_read(m->witness);
	json_object_set_new(result, "again", json_false());
	json_object_set_new(result, "earlier", json_deep_copy(m->earlier));
	json_object_set_new(result, "experiments",
			    json_integer((json_int_t)witness_experiments(m->witness)));
	json_object_set_new(result, "connections", witness_connections(m->witness));
	if (json_is_object(json_object_get(result, "secret")))
		m->last = json_incref(result);
	else
		json_array_append(m->earlier, json_object_get(result, "answer"));
	return result;
}

/* The process ------------------------------------------------------------------------ */

/* Serves one client. It has little time, because others wait. */
static void serve(struct mystery_state *m, int fd)
{
	const struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct mystery_guess guess = { 0 };
	char text[ANSWER_BYTES];
	size_t used = 0, done = 0;
	json_t *request, *result = NULL;
	char *line;
	ssize_t n;
	int size = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (used < sizeof(text) && (n = recv(fd, text + used, sizeof(text) - used, 0)) > 0)
		used += (size_t)n;
	request = json_loadb(text, used, 0, NULL);
	if (json_unpack(request, "{s:s, s?i}", "fault", &guess.fault, "segment_size", &size) == 0) {
		guess.segment_size = (uint32_t)size;
		result = answer(m, &guess);
	}
	line = json_dumps(result, JSON_COMPACT);
	used = line ? strlen(line) : 0;
	while (done < used && (n = send(fd, line + done, used - done, MSG_NOSIGNAL)) > 0)
		done += (size_t)n;
	free(line);
	json_decref(request);
	json_decref(result);
	close(fd);
}

static int listen_on(const struct hosts *h)
{
	struct sockaddr_un address;
	socklen_t size = address_of(&address);
	int fd;

	hosts_enter(h, HOST_CLIENT);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 16) < 0)
		cli_die("--mystery: cannot listen for answers: %s", strerror(errno));
	return fd;
}

static _Noreturn void run(struct mystery_state *m, int socket)
{
	struct pollfd fds[1 + WITNESS_FDS_MAX] = { { .fd = socket, .events = POLLIN } };
	size_t count = 1 + witness_poll(m->witness, fds + 1);

	for (;;) {
		int fd;

		if (poll(fds, count, -1) < 0 && errno != EINTR)
			cli_die("poll: %s", strerror(errno));
		witness_read(m->witness);
		fd = fds[0].revents ? accept4(socket, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd >= 0)
			serve(m, fd);
	}
}

struct service mystery_start(const struct hosts *h, uint64_t seed)
{
	struct service s = { .name = "the mystery" };
	int ready = services_fork(&s), socket;
	struct mystery_state m = { .seed = seed };
	sigset_t none;

	if (ready < 0)
		return s;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	m.earlier = json_array();
	socket = listen_on(h);
	m.witness = witness_open(h);
	cli_ready(ready);
	run(&m, socket);
}

int mystery_connect(void)
{
	struct sockaddr_un address;
	socklen_t size = address_of(&address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd < 0 ? -errno : fd;
	close(fd);
	return -ECONNREFUSED;
}
