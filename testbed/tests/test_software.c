/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Everyday software through the lab: byte for byte without the fault; with it, failing only where
 * the box says that it holds something back.
 */

#include "lab.h"

#include <string.h>

TestSuite(software, .timeout = 500);

struct software {
	const char *port;
	const char *server;	/* command of reseg-lab --server */
	const char *client;	/* a script whose status says whether all is as it must be */
};

/* Files to move, of sizes that leave one byte more than a piece in their last packet, and
 * others; made anew each time. */
#define FILES                                                                            \
	"rm -rf $DIR/files $DIR/got; mkdir -p $DIR/files $DIR/got; "                     \
	"for n in 0 1 511 512 513 514 1024 1025 1961 100000 3000000; do "                \
	"seq -f 'line %%.0f of the file' 200000 | head -c $n >$DIR/files/$n; done; "

/* How many octets the box still held of connections that closed. */
static int64_t orphaned(void)
{
	json_t *events = lab_json_lines("events"), *event;
	int64_t sum = 0;
	size_t i;

	json_array_foreach(events, i, event) {
		if (strcmp(lab_string(event, "event"), "flow_closed") == 0)
			sum += lab_number(json_array_get(json_object_get(event, "relays"), 0),
					  "orphaned");
	}
	return sum;
}

/* For servers that change users. */
static struct lab_case with_sub_ids(struct lab_case c)
{
	if (c.user == LAB_ORDINARY)
		c.user = LAB_SUB_IDS;
	lab_start(c.user);
	return c;
}

#define TIMED_OUT 124

static struct lab_result with_fault(struct lab_case c, const struct software *s,
				    const char *direction,
				    int seconds)
{
	return lab_run(c.user,
		       FILES "rm -f $DIR/events; reseg-lab -%d --direction %s --events $DIR/events "
			     "--port %s --server \"%s\" -- timeout %d sh -c '%s'",
		       c.ip, direction, s->port, s->server, seconds, s->client);
}

static void check(struct lab_case c, const struct software *s)
{
	static const char *const directions[] = { "c2s", "s2c", "both" };
	struct lab_result r;

	for (size_t i = 0; i < 3; i++) {
		r = lab_run(
			c.user,
			FILES
			"reseg-lab -%d --fault none --direction %s --port %s --server \"%s\" -- "
			"sh -c '%s'",
			c.ip, directions[i], s->port, s->server, s->client);
		lab_expect_status(&r, 0);
	}
	for (size_t i = 0; i < 2; i++) {
		r = with_fault(c, s, directions[i], 10);
		if (r.status == TIMED_OUT && orphaned() == 0)	/* a slow machine */
			r = with_fault(c, s, directions[i], 60);
		cr_assert((r.status != 0) == (orphaned() > 0),
			  "%s: status %d, and %ld octets are left\n%s%s",
			  directions[i], r.status, (long)orphaned(), r.out, r.err);
	}
}

LAB_TEST(software, curl)
{
	static const struct software s = {
		.port = "8080",
		.server =
			"cd $DIR/files && exec python3 -m http.server 8080 --bind :: >/dev/null "
			"2>&1",
		.client =
			"for f in $DIR/files/*; do n=${f##*/}; "
			"curl -gsSf -o $DIR/got/$n http://[$RESEG_SERVER6]:8080/$n && cmp $f "
			"$DIR/got/$n || exit 1; done",
	};

	lab_need("curl");
	check(c, &s);
}

LAB_TEST(software, rsync)
{
	static const struct software s = {
		.port = "873",
		.server =
			"cat >$DIR/rsyncd.conf <<END\n[got]\npath = $DIR/got\nread only = no\nuse "
			"chroot = no\n"
			"uid = 0\ngid = 0\nmax verbosity = 0\nEND\n"
			"exec rsync --daemon --no-detach --config=$DIR/rsyncd.conf",
		.client =
			"rsync -r --timeout=8 $DIR/files/ rsync://server/got/ && diff -r "
			"$DIR/files $DIR/got",
	};

	lab_need("rsync");
	check(with_sub_ids(c), &s);
}

LAB_TEST(software, swaks)
{
	static const struct software s = {
		.port = "25",
		.server = "exec reseg-sink --smtp 25 --save $DIR/got",
		.client = "case $RESEG_SERVER in *:*) version=-6 ;; *) version=-4 ;; esac; "
			  "for n in 0 1 513 1961 100000; do swaks $version --server server --from "
			  "a@client.example "
			  "--to b@server.example --pipeline --timeout 5 --body $DIR/files/$n "
			  "--hide-all || exit 1; done; "
			  "test $(ls $DIR/got | wc -l) = 5",
	};

	lab_need("swaks");
	if (c.ip == 6 && lab_run(c.user, "perl -MIO::Socket::INET6 -e 1").status != 0)
		cr_skip_test("swaks lacks IPv6: install libio-socket-inet6-perl");
	check(c, &s);
}

/* Over ssh, both ways. The server changes users, which needs root or sub-ids. */
LAB_TEST(software, git_over_ssh)
{
	static const struct software s = {
		.port = "2222",
		.server =
			"mount -t tmpfs -o mode=755 lab /run && mkdir -m 700 /run/home "
			"/run/home/.ssh && "
			"dropbearkey -t ed25519 -f /run/host >/dev/null && ssh-keygen -qt ed25519 "
			"-N \\\"\\\" -f /run/key && "
			"cp /run/key.pub /run/home/.ssh/authorized_keys && "
			"echo root:x:0:0:root:/run/home:/bin/sh >/run/passwd && mount --bind "
			"/run/passwd /etc/passwd && "
			"exec dropbear -F -E -s -p 2222 -r /run/host 2>$DIR/log",
		.client =
			"export HOME=$DIR; cd $DIR/files && git init -q . && git add . && "
			"git -c user.name=a -c user.email=a@client.example commit -qm files && "
			"git init -q --bare $DIR/got/repo && "
			"export GIT_SSH_COMMAND=\"ssh -i /run/key -o StrictHostKeyChecking=no "
			"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR\" && "
			"git push -q ssh://root@server:2222$DIR/got/repo HEAD:main && "
			"git clone -qb main ssh://root@server:2222$DIR/got/repo $DIR/got/again && "
			"diff -r -x .git $DIR/files $DIR/got/again",
	};

	lab_need("git");
	lab_need("dropbear");
	check(with_sub_ids(c), &s);
}
