/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script/state.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/tcpopt.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Lines of a script as packets
 */

/* Notes the payload that a line writes out, from relative number seq on. */
void script_say(struct script_run *r, enum engine_side from, uint32_t seq, const char *text)
{
	for (; *text && *text != '\''; seq++) {
		unsigned octet = (unsigned char)*text++;
		int n = 0;

		if (octet == '\\' && *text == 'x' && sscanf(text, "x%2x%n", &octet, &n) == 1)
			text += n;
		else if (octet == '\\')
			octet = *text++ == 'r' ? '\r' : '\n';
		if (seq >= SAID_MAX)
			script_fail(r, "the script writes out payload too far into the stream");
		r->said[from][seq] = (uint16_t)(octet | 256);
	}
}

static size_t parse_options(struct script_run *r, const char *text, enum engine_side from,
			    uint8_t *to)
{
	uint32_t other_isn = r->variant->isn[engine_other(from)];
	size_t len = 0;

	while (*text && *text != '>') {
		unsigned long a, b;
		int n = 0;

		if (sscanf(text, "mss %lu%n", &a, &n) == 1 && n > 0) {
			to[len] = 2, to[len + 1] = 4;
			bytes_put16(to + len + 2, (uint16_t)a);
			len += 4;
		} else if (sscanf(text, "wscale %lu%n", &a, &n) == 1 && n > 0) {
			to[len] = 3, to[len + 1] = 3, to[len + 2] = (uint8_t)a;
			len += 3;
		} else if (strncmp(text, "sackOK", 6) == 0) {
			to[len] = 4, to[len + 1] = 2;
			len += 2, n = 6;
		} else if (strncmp(text, "sack", 4) == 0) {
			size_t start = len;

			to[len] = 5;
			len += 2, n = 4;
			for (int m; sscanf(text + n, " %lu:%lu%n", &a, &b, &m) == 2; n += m) {
				bytes_put32(to + len, (uint32_t)a + other_isn);
				bytes_put32(to + len + 4, (uint32_t)b + other_isn);
				len += 8;
			}
			to[start + 1] = (uint8_t)(len - start);
		} else if (sscanf(text, "TS val %lu ecr %lu%n", &a, &b, &n) == 2 && n > 0) {
			to[len] = 8, to[len + 1] = 10;
			bytes_put32(to + len + 2, (uint32_t)a);
			bytes_put32(to + len + 6, (uint32_t)b);
			len += 10;
		} else if (strncmp(text, "tfo", 3) == 0) {
			to[len] = 34, to[len + 1] = 2;
			len += 2, n = 3;
		} else if (strncmp(text, "mptcp", 5) == 0) {
			to[len] = 30, to[len + 1] = 4, to[len + 2] = 0, to[len + 3] = 1;
			len += 4, n = 5;
		} else if (strncmp(text, "md5", 3) == 0) {
			to[len] = 19, to[len + 1] = 18;
			memset(to + len + 2, 0xaa, 16);
			len += 18, n = 3;
		} else if (strncmp(text, "ao", 2) == 0) {
			to[len] = 29, to[len + 1] = 16;
			memset(to + len + 2, 0xaa, 14);
			len += 16, n = 2;
		} else if (strncmp(text, "nop", 3) == 0) {
			to[len++] = 1;
			n = 3;
		} else {
			script_fail(r, "the script has an unknown option: %s", text);
		}
		text += n;
		text += *text == ',';
	}
	while (len % 4 != 0)
		to[len++] = 1;
	return len;
}

static uint8_t parse_flags(struct script_run *r, const char *text)
{
	uint8_t flags = 0;

	for (; *text && *text != ' '; text++) {
		switch (*text) {
		case 'S': flags |= TCP_SYN; break;
		case 'F': flags |= TCP_FIN; break;
		case 'R': flags |= TCP_RST; break;
		case 'P': flags |= TCP_PSH; break;
		case 'U': flags |= TCP_URG; break;
		case 'E': flags |= TCP_ECE; break;
		case 'W': flags |= TCP_CWR; break;
		case '.': flags |= TCP_ACK; break;
		default: script_fail(r, "the script has an unknown flag: %s", text);
		}
	}
	return flags;
}

size_t script_build_packet(struct script_run *r, enum engine_side from, uint16_t client_port,
			   const char *text, uint8_t *to)
{
	const uint32_t *isn = r->variant->isn;
	uint32_t seq, end, len, ack = 0;
	unsigned window = 0;
	uint8_t options[64] = { 0 }, *tcp;
	size_t options_len = 0, ip_len, header;
	uint8_t flags = parse_flags(r, text);
	const char *at = strchr(text, ' ');
	struct checksum c = { 0 };
	uint16_t sum;

	if (!at || sscanf(at, " %" SCNu32 ":%" SCNu32 "(%" SCNu32 ")", &seq, &end, &len) != 3 ||
	    end - seq != len)
		script_fail(r, "the script has a packet without numbers: %s", text);
	if ((at = strstr(text, " ack ")))
		ack = (uint32_t)strtoul(at + 5, NULL, 10);
	if ((at = strstr(text, " win ")))
		window = (unsigned)strtoul(at + 5, NULL, 10);
	if ((at = strstr(text, " '")))
		script_say(r, from, seq, at + 2);
	if ((at = strstr(text, " <")))
		options_len = parse_options(r, at + 2, from, options);
	header = TCP_HEADER_BYTES + options_len;

	if (r->variant->version == 4) {
		ip_len = 20;
		memset(to, 0, ip_len);
		to[0] = 0x45;
		to[1] = (uint8_t)(script_labels4[from] | (strstr(text,
								 " ecn") ? script_ecn_bits(4) : 0));
		bytes_put16(to + 2, (uint16_t)(ip_len + header + len));
		to[6] = script_dont_fragment[from] ? 0x40 : 0;
		to[8] = script_ttl[from];
		to[9] = 6;
		memcpy(to + 12, script_addresses4[from], 4);
		memcpy(to + 16, script_addresses4[engine_other(from)], 4);
		checksum_add(&c, to, ip_len);
		sum = checksum_finish(&c);
		memcpy(to + 10, &sum, 2);
		c = (struct checksum){ 0 };
		checksum_add_pseudo(&c, to + 12, 4, (uint32_t)header + len);
	} else {
		ip_len = 40;
		memset(to, 0, ip_len);
		bytes_put32(to, UINT32_C(6) << 28 | script_labels6[from] |
				(strstr(text, " ecn") ? script_ecn_bits(6) : 0));
		bytes_put16(to + 4, (uint16_t)(header + len));
		to[6] = 6;
		to[7] = script_ttl[from];
		memcpy(to + 8, script_addresses6[from], 16);
		memcpy(to + 24, script_addresses6[engine_other(from)], 16);
		checksum_add_pseudo(&c, to + 8, 16, (uint32_t)header + len);
	}
	tcp = to + ip_len;
	memset(tcp, 0, TCP_HEADER_BYTES);
	bytes_put16(tcp, from == CLIENT ? client_port : SCRIPT_SERVER_PORT);
	bytes_put16(tcp + 2, from == CLIENT ? SCRIPT_SERVER_PORT : client_port);
	bytes_put32(tcp + 4, seq + isn[from]);
	/* Set even without the ACK flag, when the box must ignore it. */
	bytes_put32(tcp + 8, strstr(text, " ack ") ? ack + isn[engine_other(from)] : 0);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	bytes_put16(tcp + 14, (uint16_t)window);
	memcpy(tcp + TCP_HEADER_BYTES, options, options_len);
	for (uint32_t i = 0; i < len; i++)
		tcp[header + i] = script_payload_byte(r, from, seq + i);
	checksum_add(&c, tcp, header + len);
	sum = checksum_finish(&c);
	memcpy(tcp + 16, &sum, 2);
	if (strstr(text, " no-sum") || strstr(text, " bad-sum"))
		tcp[16] ^= 0x5a;
	return ip_len + header + len;
}
