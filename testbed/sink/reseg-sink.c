/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-sink: the server of the lab
 *
 * An SMTP server with PIPELINING (RFC 5321, RFC 2920) that accepts every mail and
 * delivers none, and two plainer services: echo sends back what comes in, count
 * answers a closed stream with its length. Many connections at once, one thread.
 *
 * Replies are collected while commands are at hand and sent in one write, as RFC
 * 2920 section 3.2 asks of a server. It can also be a bad server, so that one can be told from
 * a bad network: slow, or with a mishap at a command (--callout-delay, --hold-replies, --chaos).
 */

#include "io/cli.h"
#include "io/clock.h"
#include "net.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <jansson.h>
#include <netinet/tcp.h>

#define INPUT_BYTES 65536
/* RFC 5321 section 4.5.3.1.4 wants 512 of every server; extensions add to it. */
#define COMMAND_MAX 4096
/* A client that does not read its replies is not read from any further. */
#define OUTPUT_MAX (1 << 20)
/* As many addresses of a message are kept for the log. */
#define LOGGED_RECIPIENTS_MAX 1000
/* What Linux takes for TCP_MAXSEG. */
#define MSS_MIN 88
#define MSS_MAX 32767

#define CHAOS_MAX 16
#define DELAY_MAX_SECONDS 3600

/* What befalls a command. */
struct chaos {
	char verb[8];
	enum { CHAOS_REPLY, CHAOS_CLOSE, CHAOS_RESET, CHAOS_SILENCE, CHAOS_DELAY } what;
	char reply[4];		/* its code */
	uint64_t delay_ns;
	unsigned every;		/* at each such command */
	unsigned seen;
};

enum service { SERVICE_SMTP, SERVICE_ECHO, SERVICE_COUNT, SERVICES };

static const char *const service_names[SERVICES] = { "smtp", "echo", "count" };

struct options {
	const char *address;
	uint16_t port[SERVICES];	/* 0: not served */
	int mss;			/* 0: the kernel's choice */
	bool no_pipelining;
	bool hold_replies;
	struct chaos chaos[CHAOS_MAX];
	size_t chaos_count;
	const char *save;
	const char *log;
	int ready_fd;
};

/* Where the message text stands at a line's beginning and end (RFC 5321 section
 * 4.5.2): a dot there is either doubled, or the end. */
enum body_state { BODY_LINE_START, BODY_DOT, BODY_DOT_CR, BODY_TEXT, BODY_CR };

struct connection {
	struct connection *next, **link;	/* in the list of all */
	int fd;
	enum service service;
	uint64_t number;
	union net_address peer;
	uint64_t received;
	bool closing;		/* close once the output is out */
	bool aborting;		/* with a RST */
	uint64_t resume_ns;	/* until then it is busy with a command, and reads no further; 0: it
				 * is not */
	char *late;		/* that command */
	char *later;		/* what came in behind it */
	size_t later_bytes;
	char *output;
	size_t output_bytes;
	size_t output_size;
	/* SMTP */
	char line[COMMAND_MAX];
	size_t line_bytes;
	bool line_too_long;
	bool greeted;
	json_t *sender;		/* the address; NULL before MAIL */
	json_t *to;		/* those of the recipients, for the log */
	unsigned recipients;
	bool in_data;
	enum body_state body_state;
	uint64_t message_bytes;
	uint64_t message_number;
	FILE *message;
};

struct sink {
	struct options o;
	int epoll;
	int listener[SERVICES];
	FILE *log;
	struct connection *open;
	uint64_t connections;
	uint64_t messages;
};

/* Log ------------------------------------------------------------------------- */

static void log_event(struct sink *sink, const struct connection *c, const char *event,
		      const char *format, ...)
{
	json_t *line, *more;
	va_list ap;

	if (!sink->log)
		return;
	line = json_pack("{s:s, s:I, s:I}", "event", event, "time_ns",
			 (json_int_t)clock_ns(CLOCK_REALTIME), "connection",
			 (json_int_t)c->number);
	va_start(ap, format);
	more = json_vpack_ex(NULL, 0, format, ap);
	va_end(ap);
	json_object_update(line, more);
	json_dumpf(line, sink->log, JSON_COMPACT);
	fputc('\n', sink->log);
	fflush(sink->log);
	json_decref(more);
	json_decref(line);
}

/* Output ---------------------------------------------------------------------- */

static void append_output(struct connection *c, const void *data, size_t bytes)
{
	if (c->output_bytes + bytes > c->output_size) {
		c->output_size = (c->output_bytes + bytes) * 2;
		c->output = realloc(c->output, c->output_size);
		if (!c->output)
			cli_die("out of memory");
	}
	memcpy(c->output + c->output_bytes, data, bytes);
	c->output_bytes += bytes;
}

static void reply(struct connection *c, const char *text)
{
	append_output(c, text, strlen(text));
	append_output(c, "\r\n", 2);
}

/* SMTP ------------------------------------------------------------------------ */

static void forget_mail(struct connection *c)
{
	json_decref(c->sender);
	c->sender = NULL;
	json_array_clear(c->to);
	c->recipients = 0;
}

static void begin_data(struct sink *sink, struct connection *c)
{
	c->in_data = true;
	c->body_state = BODY_LINE_START;
	c->message_bytes = 0;
	c->message_number = ++sink->messages;
	if (sink->o.save) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/message-%" PRIu64, sink->o.save,
			 c->message_number);
		c->message = fopen(path, "we");
		if (!c->message)
			cli_say("%s: %s", path, strerror(errno));
	}
	reply(c, "354 end with a line of one dot");
}

static void end_data(struct sink *sink, struct connection *c)
{
	char text[64], file[64] = "";
	bool saved = !sink->o.save;

	if (c->message) {
		/* A write that failed earlier is remembered, and fclose() does not tell of it. */
		bool written = !ferror(c->message);

		saved = fclose(c->message) == 0 && written;
		snprintf(file, sizeof(file), "message-%" PRIu64, c->message_number);
	}
	c->message = NULL;
	c->in_data = false;
	if (saved)
		log_event(sink, c, "message", "{s:I, s:i, s:O, s:O, s:s*}", "bytes",
			  (json_int_t)c->message_bytes, "recipients", (int)c->recipients, "from",
			  c->sender, "to", c->to, "saved", *file ? file : NULL);
	forget_mail(c);
	if (saved)
		snprintf(text, sizeof(text), "250 %" PRIu64 " bytes accepted", c->message_bytes);
	else
		snprintf(text, sizeof(text), "452 the message could not be saved");
	reply(c, text);
}

static void body(struct connection *c, const char *data, size_t bytes)
{
	c->message_bytes += bytes;
	if (c->message)
		fwrite(data, 1, bytes, c->message);
}

/* Takes message text; returns how much of it, which is all unless it ended. */
static size_t take_data(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	size_t start = 0;	/* of what is to be written */

	for (size_t i = 0; i < bytes; i++) {
		char ch = data[i];

		switch (c->body_state) {
		case BODY_LINE_START:
			if (ch == '.') {	/* kept back until it is clear what it is */
				body(c, data + start, i - start);
				start = i + 1;
				c->body_state = BODY_DOT;
				break;
			}
			c->body_state = ch == '\r' ? BODY_CR : BODY_TEXT;
			break;
		case BODY_DOT:
			if (ch == '\r') {
				start = i + 1;
				c->body_state = BODY_DOT_CR;
				break;
			}
			c->body_state = BODY_TEXT;
			break;
		case BODY_DOT_CR:
			if (ch == '\n') {
				end_data(sink, c);
				return i + 1;
			}
			body(c, "\r", 1);
			start = i;
			c->body_state = ch == '\r' ? BODY_CR : BODY_TEXT;
			break;
		case BODY_CR:
			c->body_state = ch == '\n' ? BODY_LINE_START :
					ch == '\r' ? BODY_CR : BODY_TEXT;
			break;
		case BODY_TEXT:
			if (ch == '\r')
				c->body_state = BODY_CR;
			break;
		}
	}
	if (start < bytes)
		body(c, data + start, bytes - start);
	return bytes;
}

static bool is_verb(const char *line, const char *verb)
{
	size_t n = strlen(verb);

	return strncasecmp(line, verb, n) == 0 &&
	       (line[n] == '\0' || line[n] == ' ' || line[n - 1] == ':');
}

/* What is between < and > of MAIL and RCPT; nothing if it is no UTF-8. */
static json_t *address(const char *line)
{
	const char *start = strchr(line, '<');
	const char *end = start ? strchr(start, '>') : NULL;
	json_t *text = end ? json_stringn(start + 1, (size_t)(end - start - 1)) : NULL;

	return text ? text : json_string("");
}

/* Returns true if the command is dealt with: it is not to be answered as usual. */
static bool apply_chaos(struct sink *sink, struct connection *c, const char *line)
{
	for (size_t i = 0; i < sink->o.chaos_count; i++) {
		struct chaos *chaos = &sink->o.chaos[i];
		char text[64];

		if (strncasecmp(line, chaos->verb, strlen(chaos->verb)) != 0 || ++chaos->seen % chaos->every != 0)
			continue;
		switch (chaos->what) {
		case CHAOS_REPLY:
			snprintf(text, sizeof(text), "%s chaos", chaos->reply);
			reply(c, text);
			return true;
		case CHAOS_CLOSE:
			c->closing = true;
			return true;
		case CHAOS_RESET:
			c->closing = c->aborting = true;
			c->output_bytes = 0;
			return true;
		case CHAOS_SILENCE:
			return true;
		case CHAOS_DELAY:
			c->resume_ns = clock_ns(CLOCK_MONOTONIC) + chaos->delay_ns;
			c->late = strdup(line);
			if (!c->late)
				cli_die("out of memory");
			return true;
		}
	}
	return false;
}

static void perform(struct sink *sink, struct connection *c, const char *line)
{
	if (is_verb(line, "EHLO")) {
		forget_mail(c);
		c->greeted = true;
		if (sink->o.no_pipelining) {
			reply(c, "250 sink");
		} else {
			reply(c, "250-sink");
			reply(c, "250 PIPELINING");
		}
	} else if (is_verb(line, "HELO")) {
		forget_mail(c);
		c->greeted = true;
		reply(c, "250 sink");
	} else if (is_verb(line, "MAIL FROM:")) {
		if (!c->greeted || c->sender) {
			reply(c, "503 EHLO, then MAIL, once");
			return;
		}
		c->sender = address(line);
		reply(c, "250 sender ok");
	} else if (is_verb(line, "RCPT TO:")) {
		if (!c->sender) {
			reply(c, "503 MAIL first");
			return;
		}
		if (c->recipients++ < LOGGED_RECIPIENTS_MAX)
			json_array_append_new(c->to, address(line));
		reply(c, "250 recipient ok");
	} else if (is_verb(line, "DATA")) {
		if (c->recipients == 0)
			reply(c, "503 RCPT first");
		else
			begin_data(sink, c);
	} else if (is_verb(line, "RSET")) {
		forget_mail(c);
		reply(c, "250 ok");
	} else if (is_verb(line, "NOOP")) {
		reply(c, "250 ok");
	} else if (is_verb(line, "QUIT")) {
		reply(c, "221 bye");
		c->closing = true;
	} else {
		reply(c, "500 command not known");
	}
}

static void command(struct sink *sink, struct connection *c, const char *line)
{
	log_event(sink, c, "command", "{s:s%}", "line", line, strcspn(line, " :\t"));
	if (!apply_chaos(sink, c, line))
		perform(sink, c, line);
}

/* Takes one piece of a command line, up to its end if that is there. */
static size_t take_command(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	const char *end = memchr(data, '\n', bytes);
	size_t n = end ? (size_t)(end - data) + 1 : bytes;

	if (c->line_bytes + n >= sizeof(c->line))
		c->line_too_long = true;
	else
		memcpy(c->line + c->line_bytes, data, n);
	if (!c->line_too_long)
		c->line_bytes += n;
	if (!end)
		return n;
	if (c->line_too_long) {
		reply(c, "500 line too long");
	} else {
		c->line[c->line_bytes] = '\0';
		c->line[strcspn(c->line, "\r\n")] = '\0';
		command(sink, c, c->line);
	}
	c->line_bytes = 0;
	c->line_too_long = false;
	return n;
}

/* Connections ------------------------------------------------------------------- */

/* Are replies kept back, as a command behind them takes its time? */
static bool holds_replies(const struct sink *sink, const struct connection *c)
{
	return sink->o.hold_replies && c->resume_ns != 0;
}

static void watch(struct sink *sink, struct connection *c, int operation)
{
	bool busy = c->resume_ns != 0;
	bool read = c->output_bytes < OUTPUT_MAX && !c->closing && !busy;
	struct epoll_event event = {
		.events = (read ? EPOLLIN : 0u) |
			  (c->output_bytes > 0 && !holds_replies(sink, c) ? EPOLLOUT : 0u),
		.data.ptr = c,
	};

	epoll_ctl(sink->epoll, operation, c->fd, &event);
}

static void close_connection(struct sink *sink, struct connection *c, const char *how)
{
	log_event(sink, c, "closed", "{s:s, s:I}", "how", how, "received",
		  (json_int_t)c->received);
	if (c->message)
		fclose(c->message);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	if (c->aborting)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	close(c->fd);
	free(c->late);
	free(c->later);
	json_decref(c->sender);
	json_decref(c->to);
	free(c->output);
	free(c);
}

/* Sends what can be sent; false if the connection is gone. */
static bool flush(struct sink *sink, struct connection *c)
{
	while (c->output_bytes > 0 && !holds_replies(sink, c)) {
		ssize_t n = send(c->fd, c->output, c->output_bytes, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			close_connection(sink, c, "reset");
			return false;
		}
		c->output_bytes -= (size_t)n;
		memmove(c->output, c->output + n, c->output_bytes);
	}
	if (c->output_bytes == 0 && c->closing) {
		close_connection(sink, c, "closed");
		return false;
	}
	watch(sink, c, EPOLL_CTL_MOD);
	return true;
}

/* Keeps what stands behind a command that takes its time. */
static void keep_for_later(struct connection *c, const char *data, size_t bytes)
{
	char *later = malloc(bytes + 1);

	if (!later)
		cli_die("out of memory");
	memcpy(later, data, bytes);
	free(c->later);
	c->later = later;
	c->later_bytes = bytes;
}

/* Commands and message text. */
static void take_smtp(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	while (bytes > 0 && !c->closing && c->resume_ns == 0) {
		size_t n = c->in_data ? take_data(sink, c, data, bytes)
				      : take_command(sink, c, data, bytes);

		data += n;
		bytes -= n;
	}
	if (c->resume_ns != 0)
		keep_for_later(c, data, bytes);
}

static void take_input(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	c->received += bytes;
	log_event(sink, c, "received", "{s:I, s:I}", "bytes", (json_int_t)bytes, "total",
		  (json_int_t)c->received);
	if (c->service == SERVICE_ECHO)
		append_output(c, data, bytes);
	if (c->service == SERVICE_SMTP)
		take_smtp(sink, c, data, bytes);
}

static void end_of_input(struct connection *c)
{
	char text[32];

	if (c->service == SERVICE_COUNT) {
		snprintf(text, sizeof(text), "%" PRIu64 "\n", c->received);
		append_output(c, text, strlen(text));
	}
	c->closing = true;
}

static void serve(struct sink *sink, struct connection *c, uint32_t events)
{
	static char input[INPUT_BYTES];
	ssize_t n;

	if (events & (EPOLLHUP | EPOLLERR) && c->resume_ns != 0) {
		close_connection(sink, c, "reset");
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !c->closing && c->resume_ns == 0) {
		n = recv(c->fd, input, sizeof(input), 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			close_connection(sink, c, "reset");
			return;
		}
		if (n > 0)
			take_input(sink, c, input, (size_t)n);
		else if (n == 0)
			end_of_input(c);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		close_connection(sink, c, "reset");
		return;
	}
	flush(sink, c);
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
		log_event(sink, c, "connected", "{s:s, s:s, s:i}", "service",
			  service_names[service], "peer", text, "peer_port", net_port(&peer));
		watch(sink, c, EPOLL_CTL_ADD);
		if (service == SERVICE_SMTP) {
			reply(c, "220 sink ESMTP");
			flush(sink, c);
		}
	}
}

/* Program ------------------------------------------------------------------------- */

static void print_help(void)
{
	printf("Usage: reseg-sink [OPTION]...\n"
	       "The server of the lab: SMTP with PIPELINING, accepting every mail and\n"
	       "delivering none.\n"
	       "\n"
	       "  --listen ADDRESS   address to listen on (all)\n"
	       "  --smtp PORT        serve SMTP (25, if no service is given)\n"
	       "  --echo PORT        serve echo: what comes in goes back\n"
	       "  --count PORT       serve count: a closed stream is answered with its length\n"
	       "  --mss BYTES        announce this MSS: clients send no larger segments, %d to\n"
	       "                     %d\n"
	       "  --no-pipelining    do not offer PIPELINING\n"
	       "  --callout-delay S  take that long for each recipient, as who asks another\n"
	       "                     server\n"
	       "  --hold-replies     meanwhile keep back the replies to commands before it\n"
	       "  --chaos VERB=WHAT[/N]  at each N-th such command: a reply code as 451, close,\n"
	       "                     reset, silence, or a delay in seconds as 2.5s; may be\n"
	       "                     repeated\n"
	       "  --save DIR         save each message as DIR/message-N\n"
	       "  --log FILE         append what happens, JSON Lines, to FILE; - is standard\n"
	       "                     output\n"
	       "  --ready-fd N       write a line feed to descriptor N once it listens\n"
	       "  --help, --version\n",
	       MSS_MIN, MSS_MAX);
}

static struct chaos *add_chaos(struct options *o, const char *option)
{
	if (o->chaos_count == CHAOS_MAX)
		cli_die("%s: %d mishaps at most", option, CHAOS_MAX);
	o->chaos[o->chaos_count] = (struct chaos){ .every = 1 };
	return &o->chaos[o->chaos_count++];
}

static void callout_option(struct options *o, const char *text)
{
	struct chaos *chaos = add_chaos(o, "--callout-delay");

	strcpy(chaos->verb, "RCPT");
	chaos->what = CHAOS_DELAY;
	chaos->delay_ns = cli_seconds("--callout-delay", text, 0, DELAY_MAX_SECONDS);
}

/* VERB=WHAT[/N] */
static void chaos_option(struct options *o, const char *text)
{
	struct chaos *chaos = add_chaos(o, "--chaos");
	size_t verb = strcspn(text, "="), what_bytes = text[verb] ? strcspn(text + verb + 1, "/") : 0;
	const char *end = text + verb + 1 + what_bytes;
	char what[32];
	int code;

	if (verb == 0 || verb >= sizeof(chaos->verb) || what_bytes == 0 || what_bytes >= sizeof(what))
		cli_die("--chaos %s: give VERB=WHAT, as RCPT=451 or DATA=close/10", text);
	memcpy(chaos->verb, text, verb);
	memcpy(what, text + verb + 1, what_bytes);
	what[what_bytes] = '\0';
	if (*end == '/')
		chaos->every = (unsigned)cli_number("--chaos /N", end + 1, 1, 1000000);
	if (strcmp(what, "close") == 0) {
		chaos->what = CHAOS_CLOSE;
	} else if (strcmp(what, "reset") == 0) {
		chaos->what = CHAOS_RESET;
	} else if (strcmp(what, "silence") == 0) {
		chaos->what = CHAOS_SILENCE;
	} else if (what[what_bytes - 1] == 's') {
		what[what_bytes - 1] = '\0';
		chaos->what = CHAOS_DELAY;
		chaos->delay_ns = cli_seconds("--chaos VERB=", what, 0, DELAY_MAX_SECONDS);
	} else {
		code = (int)cli_number("--chaos VERB=", what, 200, 599);
		snprintf(chaos->reply, sizeof(chaos->reply), "%.3d", code);
	}
}

static void parse_options(struct options *o, int argc, char **argv)
{
	enum { LISTEN = 256, SMTP, ECHO_, COUNT, MSS, NO_PIPELINING, CALLOUT_DELAY, HOLD_REPLIES, CHAOS, SAVE, LOG, READY_FD };
	static const struct option table[] = {
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
	bool any = false;
	int option;

	*o = (struct options){ .ready_fd = -1 };
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
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
			callout_option(o, optarg);
			break;
		case HOLD_REPLIES:
			o->hold_replies = true;
			break;
		case CHAOS:
			chaos_option(o, optarg);
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
		/* A listener is told from a connection by where its pointer points. */
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

/* A descriptor that is readable once a signal wants the program to stop. */
static int stop_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

/* Goes on with connections whose delay is over. Returns the milliseconds until the next is, or
 * -1. */
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
		perform(sink, c, late);
		take_smtp(sink, c, later, c->later_bytes);
		free(late);
		free(later);
		if (c->resume_ns != 0 && c->resume_ns < next)
			next = c->resume_ns;
		flush(sink, c);
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
		close_connection(&sink, sink.open, "stopped");
	return EXIT_GOOD;
}
