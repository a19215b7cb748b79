/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_INJECT_H
#define RESEG_IO_INJECT_H

/*
 * Injectors: how the box's own packets get onto the network
 *
 * An injected packet must not come back into the queue. The rules tell each kind apart in its own
 * way: `raw` marks its packets with INJECT_MARK, `tun` has an interface of its own.
 */

#include "core/engine.h"

#include <stdbool.h>
#include <stdint.h>

/* The segment size of 2008, plus one; rules/ uses the same. */
#define INJECT_MARK 513

/* Interfaces of `tun` are reseg0, reseg1..., one for all workers; rules/ uses the same. */
#define INJECT_INTERFACE "reseg%d"

struct inject_stats {
	uint64_t sent;
	uint64_t too_big;	/* larger than the MTU of the way out */
	uint64_t congested;	/* lost for lack of room on the way out */
	uint64_t failed;	/* refused by the kernel for any other reason */
	int last_error;		/* errno of the last of these */
};

struct injector;

struct injector_kind {
	const char *name;
	const char *summary;
	bool offload;		/* accepts what engine_config.offload makes */
	/* Negative errno; -EPERM: no CAP_NET_RAW or CAP_NET_ADMIN; -ENOENT: this system has no
	 * /dev/net/tun; -EXDEV: this system would drop what comes from the interface
	 * (rp_filter). */
	int (*open)(struct injector *out[], unsigned count);
};

/* Used by one thread. A network may lose what is sent, so errors are counted, not returned. */
struct injector {
	const struct injector_kind *kind;
	uint32_t interface;	/* through which its packets come in; 0: none */
	char name[16];		/* of that interface */
	/* The packet may go out as late as the next flush; until then its payload must stay where
	 * it is. */
	void (*send)(struct injector *in, const struct engine_emit *packet);
	void (*flush)(struct injector *in);
	void (*close)(struct injector *in);
	struct inject_stats stats;
};

/* All kinds, the fastest first; the entry after the last has no name. */
extern const struct injector_kind inject_kinds[];

/* Opens count injectors of the kind of this name, or, for "auto", of the first kind that can be
 * opened. -EINVAL: no such name; otherwise the error of the last kind that was tried. */
int inject_open(struct injector *out[], unsigned count, const char *name);

#endif
