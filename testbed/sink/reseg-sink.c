/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-sink: the server of the lab
 *
 * An SMTP server with PIPELINING (RFC 5321, RFC 2920) that accepts every mail and delivers none,
 * and two simpler services: echo sends back what comes in, count answers a closed stream with its
 * length. Many connections at once, one thread.
 *
 * Replies are collected while commands are at hand and sent in one write, as RFC 2920 section 3.2
 * asks of a server. It can also act as a bad server, so that you can tell one from a bad network:
 * slow, or with a mishap at a command (--callout-delay, --hold-replies, --chaos).
 */

#include "io/cli.h"
#include "io/clock.h"
#include "net.h"
#include "sink/smtp.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <netinet/tcp.h>

#define INPUT_BYTES 65536
/* What Linux accepts as TCP_MAXSEG. */
#define MSS_MIN 88
#define MSS_MAX 32767

static const char *const service_names[SERVICES] = { "smtp", "echo", "count" };

static void take_input(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	c->received += bytes;
	connection_log(sink, c, "received", "{s:I, s:I}", "bytes", (json_int_t)bytes, "total",
		       (json_int_t)c->received);
	if (c->service == SERVICE_ECHO)
		connection_append(c, data, bytes);
	if (c->service == SERVICE_SMTP)
		smtp_take(sink, c, data, bytes);
}

static void end_of_input(struct connection *c)
{
	char text[32];

	if (c->service == SERVICE_COUNT) {
		snprintf(text, sizeof(text), "%" PRIu64 "\n", c->received);
		connection_append(c, text, strlen(text));
	}
	c->closing = true;
}

static void serve(struct sink *sink, struct connection *c, uint32_t events)
{
	static char input[INPUT_BYTES];
	ssize_t n;

	if (events & (EPOLLHUP | EPOLLERR) && c->resume_ns != 0) {
		connection_close(sink, c, "reset");
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !c->closing && c->resume_ns == 0) {
		n = recv(c->fd, input, sizeof(input), 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			connection_close(sink, c, "reset");
			return;
		}
		if (n > 0)
			take_input(sink, c, input, (size_t)n);
		else if (n == 0)
			end_of_input(c);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		connection_close(sink, c, "reset");
		return;
	}
	connection_flush(sink, c);
}

static void accept_connections(struct sink *sink, enum service service)
{
	for (;;) {
		struct connection *c;
		union net_address peer;
		socklen_t len = sizeof(peer);
		char text[NET_TEXT_BYTES];
		int one = 1;
		int fd = accept4(sink->listener[service], &peer.sa, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			cli_die("out of descriptors: raise the limit (ulimit -n)");
		if (fd < 0)
			return;
		c = calloc(1, sizeof(*c));
		if (!c || !(c->to = json_array()))
			cli_die("out of memory");
		c->fd = fd;
		c->service = service;
		c->number = ++sink->connections;
		c->next = sink->open;
		c->link = &sink->open;
		if (c->next)
			c->next->link = &c->next;
		sink->open = c;
		c->peer = peer;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		net_text(&peer, text);
		connection_log(sink, c, "connected", "{s:s, s:s, s:i}", "service",
			       service_names[service], "peer", text, "peer_port", net_port(&peer));
		connection_watch(sink, c, EPOLL_CTL_ADD);
		if (service == SERVICE_SMTP) {
			connection_reply(c, "220 sink ESMTP");
			connection_flush(sink, c);
		}
	}
}

/* Program ------------------------------------------------------------------------- */

static void print_help(void)
{
	printf("Usage: reseg-sink [OPTION]...\n"
	       "The server of the lab: speaks SMTP with PIPELINING, accepts every mail and\n"
	       "delivers none.\n"
	       "\n"
	       "  --listen ADDRESS   address to listen on (all)\n"
	       "  --smtp PORT        serve SMTP (25, if no service is given)\n"
	       "  --echo PORT        serve echo: send back what comes in\n"
	       "  --count PORT       serve count: once the sender closes its stream, answer with\n"
	       "                     the number of bytes\n"
	       "  --mss BYTES        announce this MSS, %d to %d: clients send no larger\n"
	       "                     segments\n"
	       "  --no-pipelining    do not offer PIPELINING\n"
	       "  --callout-delay S  wait S seconds before the reply to each recipient, like a\n"
	       "                     server that asks another one\n"
	       "  --hold-replies     meanwhile also keep back the replies to earlier commands\n"
	       "  --chaos VERB=WHAT[/N]  at every N-th command VERB, do WHAT: a reply code,\n"
	       "                     as 451; close or reset the connection; silence, no\n"
	       "                     reply; or wait, as 2.5s. May be repeated\n"
	       "  --save DIR         save each message as DIR/message-N\n"
	       "  --log FILE         append what happens (JSON Lines) to FILE; - is standard\n"
	       "                     output\n"
	       "  --ready-fd N       write a line feed to descriptor N once reseg-sink listens\n"
	       "  --help, --version\n",
	       MSS_MIN, MSS_MAX);
}

enum {
	LISTEN = 256,
	SMTP,
	ECHO_,
	COUNT,
	MSS,
	NO_PIPELINING,
	CALLOUT_DELAY,
	HOLD_REPLIES,
	CHAOS,
	SAVE,
	LOG,
	READY_FD
};

static const struct option option_table[] = {
	{ "listen", required_argument, NULL, LISTEN },
	{ "smtp", required_argument, NULL, SMTP },
	{ "echo", required_argument, NULL, ECHO_ },
	{ "count", required_argument, NULL, COUNT },
	{ "mss", required_argument, NULL, MSS },
	{ "no-pipelining", no_argument, NULL, NO_PIPELINING },
	{ "callout-delay", required_argument, NULL, CALLOUT_DELAY },
	{ "hold-replies", no_argument, NULL, HOLD_REPLIES },
	{ "chaos", required_argument, NULL, CHAOS },
	{ "save", required_argument, NULL, SAVE },
	{ "log", required_argument, NULL, LOG },
	{ "ready-fd", required_argument, NULL, READY_FD },
	CLI_COMMON_OPTIONS,
};

static void parse_options(struct sink_options *o, int argc, char **argv)
{
	bool any = false;
	int option;

	*o = (struct sink_options){ .ready_fd = -1 };
	while ((option = cli_option(argc, argv, "", option_table, print_help)) != -1) {
		switch (option) {
		case LISTEN:
			o->address = optarg;
			break;
		case SMTP:
			o->port[SERVICE_SMTP] = (uint16_t)cli_number("--smtp", optarg, 1, 65535);
			break;
		case ECHO_:
			o->port[SERVICE_ECHO] = (uint16_t)cli_number("--echo", optarg, 1, 65535);
			break;
		case COUNT:
			o->port[SERVICE_COUNT] = (uint16_t)cli_number("--count", optarg, 1, 65535);
			break;
		case MSS:
			o->mss = (int)cli_number("--mss", optarg, MSS_MIN, MSS_MAX);
			break;
		case NO_PIPELINING:
			o->no_pipelining = true;
			break;
		case CALLOUT_DELAY:
			chaos_add_callout(&o->chaos, optarg);
			break;
		case HOLD_REPLIES:
			o->hold_replies = true;
			break;
		case CHAOS:
			chaos_add(&o->chaos, optarg);
			break;
		case SAVE:
			o->save = optarg;
			break;
		case LOG:
			o->log = optarg;
			break;
		case READY_FD:
			o->ready_fd = (int)cli_number("--ready-fd", optarg, 0, INT32_MAX);
			break;
		}
	}
	if (optind < argc)
		cli_die("%s: reseg-sink takes options only; see --help", argv[optind]);
	for (unsigned i = 0; i < SERVICES; i++)
		any = any || o->port[i] != 0;
	if (!any)
		o->port[SERVICE_SMTP] = 25;
}

static void set_up(struct sink *sink)
{
	if (sink->o.log) {
		sink->log = strcmp(sink->o.log, "-") == 0 ? stdout : fopen(sink->o.log, "ae");
		if (!sink->log)
			cli_die("--log %s: %s", sink->o.log, strerror(errno));
	}
	if (sink->o.save && access(sink->o.save, W_OK | X_OK) < 0)
		cli_die("--save %s: %s", sink->o.save, strerror(errno));
	net_raise_descriptor_limit();
	sink->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sink->epoll < 0)
		cli_die("epoll: %s", strerror(errno));
	for (unsigned i = 0; i < SERVICES; i++) {
		/* A pointer into sink->listener means a listener, any other a connection. */
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &sink->listener[i] };
		uint16_t port = sink->o.port[i];

		if (port == 0)
			continue;
		sink->listener[i] = net_listen(sink->o.address, port);
		if (sink->listener[i] == -EACCES)
			cli_die("port %u: ports below 1024 need root; give --%s a higher one", port,
				service_names[i]);
		if (sink->listener[i] == -EADDRINUSE)
			cli_die("port %u is taken by another program: give --%s another one", port,
				service_names[i]);
		if (sink->listener[i] < 0)
			cli_die("cannot listen on port %u of %s: %s", port,
				sink->o.address ? sink->o.address : "this host",
				strerror(-sink->listener[i]));
		if (sink->o.mss > 0 && setsockopt(sink->listener[i], IPPROTO_TCP, TCP_MAXSEG,
						  &sink->o.mss, sizeof(sink->o.mss)) < 0)
			cli_die("--mss %d: %s", sink->o.mss, strerror(errno));
		epoll_ctl(sink->epoll, EPOLL_CTL_ADD, sink->listener[i], &event);
	}
}

/* A descriptor that is readable once a signal asks the program to stop. */
static int stop_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

/* Resumes connections whose delay is over. Returns the milliseconds until the next is, or -1. */
static int resume(struct sink *sink)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), next = UINT64_MAX;

	for (struct connection *c = sink->open, *after; c; c = after) {
		char *late = c->late, *later = c->later;

		after = c->next;
		if (c->resume_ns > now && c->resume_ns < next)
			next = c->resume_ns;
		if (c->resume_ns == 0 || c->resume_ns > now)
			continue;
		c->resume_ns = 0;
		c->late = c->later = NULL;
		smtp_perform(sink, c, late);
		smtp_take(sink, c, later, c->later_bytes);
		free(late);
		free(later);
		if (c->resume_ns != 0 && c->resume_ns < next)
			next = c->resume_ns;
		connection_flush(sink, c);
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static void serve_until(struct sink *sink, int stop)
{
	struct epoll_event events[256];
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	epoll_ctl(sink->epoll, EPOLL_CTL_ADD, stop, &event);
	for (;;) {
		int n = epoll_wait(sink->epoll, events, 256, resume(sink));

		for (int i = 0; i < n; i++) {
			int *listener = events[i].data.ptr;

			if (!listener)
				return;
			if (listener >= sink->listener && listener < sink->listener + SERVICES)
				accept_connections(sink, (enum service)(listener - sink->listener));
			else
				serve(sink, events[i].data.ptr, events[i].events);
		}
	}
}

int main(int argc, char **argv)
{
	static struct sink sink;
	int stop;

	cli_program = "reseg-sink";
	parse_options(&sink.o, argc, argv);
	set_up(&sink);
	stop = stop_signals();
	if (sink.o.ready_fd >= 0)
		cli_ready(sink.o.ready_fd);
	serve_until(&sink, stop);
	while (sink.open)
		connection_close(&sink, sink.open, "stopped");
	return EXIT_GOOD;
}
