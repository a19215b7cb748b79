/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_INJECT_H
#define RESEG_IO_INJECT_H

/*
 * Injectors: how the box's own packets get onto the network
 *
 * An injected packet must not come back into the queue. Each kind has its way of
 * being told apart in the rules: `raw` marks its packets with INJECT_MARK, `tun` has an
 * interface of its own.
 */

#include "core/engine.h"

#include <stdbool.h>
#include <stdint.h>

/* The segment size plus one of 2008; rules/ uses the same. */
#define INJECT_MARK 513

/* Interfaces of `tun` are reseg0, reseg1..., one for all workers; rules/ uses the same. */
#define INJECT_INTERFACE "reseg%d"

struct inject_stats {
	uint64_t sent;
	uint64_t too_big;	/* did not fit the MTU of the way out */
	uint64_t congested;	/* lost, as there was no room on the way out */
	uint64_t failed;	/* refused by the kernel for any other reason */
	int last_error;		/* errno of the last one of them */
};

struct injector;

struct injector_kind {
	const char *name;
	const char *summary;
	bool offload;		/* takes what engine_config.offload makes */
	/* Negative errno; -EPERM: no CAP_NET_RAW or CAP_NET_ADMIN; -ENOENT: this system has
	 * no /dev/net/tun; -EXDEV: it would drop what comes from there (rp_filter). */
	int (*open)(struct injector *out[], unsigned count);
};

/* Used by one thread. A network may lose what is sent, so an error is counted and not
 * returned. */
struct injector {
	const struct injector_kind *kind;
	uint32_t interface;	/* by which its packets come in; 0: none */
	char name[16];		/* of that interface */
	/* The packet may be sent only with the next flush, until when its payload must stay
	 * where it is. */
	void (*send)(struct injector *in, const struct engine_emit *packet);
	void (*flush)(struct injector *in);
	void (*close)(struct injector *in);
	struct inject_stats stats;
};

/* All kinds, the fastest first; the one after the last has no name. */
extern const struct injector_kind inject_kinds[];

/* Opens count injectors of one kind, by name, or of the first that can be opened for
 * "auto". -EINVAL: no such name; else the error of the last one that was tried. */
int inject_open(struct injector *out[], unsigned count, const char *name);

#endif
