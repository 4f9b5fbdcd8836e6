/* SPDX-License-Identifier: MIT */
/* Addresses: what is one, and at which character it is none. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "box.h"
#include "check.h"
#include "claim.h"

static struct ferry_address parse(const char *text)
{
	struct ferry_why why = { 0 };
	struct ferry_address address;

	if (ferry_address_parse(&address, text, NULL, &why) < 0)
		check_failed(__FILE__, __LINE__, "%s: %s", text, why.text);
	return address;
}

static void every_kind_of_address_is_taken_apart(void)
{
	static const struct {
		const char *text;
		struct ferry_address want;
	} good[] = {
		{ "tcp://localhost:80", { FERRY_TCP, 80, "localhost", "" } },
		{ "tcp://127.0.0.1:0", { FERRY_TCP, 0, "127.0.0.1", "" } },
		{ "tcp://*:65535", { FERRY_TCP, 65535, "*", "" } },
		{ "tcp://[::1]:1", { FERRY_TCP, 1, "::1", "" } },
		{ "udp://[fe80::1%eth0]:53", { FERRY_UDP, 53, "fe80::1%eth0", "" } },
		{ "udp://[::ffff:1.2.3.4]:9", { FERRY_UDP, 9, "::ffff:1.2.3.4", "" } },
		{ "tls://example.org:443", { FERRY_TLS, 443, "example.org", "" } },
		{ "tcp://a-b_c.1d:00080", { FERRY_TCP, 80, "a-b_c.1d", "" } },
		{ "unix:/run/app", { FERRY_UNIX, 0, "", "/run/app" } },
		{ "unix:./a b", { FERRY_UNIX, 0, "", "./a b" } },
		{ "unix:../x", { FERRY_UNIX, 0, "", "../x" } },
		{ "unix:@name", { FERRY_UNIX, 0, "", "@name" } },
		{ "unix:@", { FERRY_UNIX, 0, "", "@" } },
		{ "unix-dgram:/x", { FERRY_UNIX_DGRAM, 0, "", "/x" } },
		{ "unix-seqpacket:@a/b", { FERRY_UNIX_SEQPACKET, 0, "", "@a/b" } },
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const struct ferry_address got = parse(good[i].text);
		check_eq(got.transport, good[i].want.transport);
		check_eq(got.port, good[i].want.port);
		check(strcmp(got.host, good[i].want.host) == 0);
		check(strcmp(got.path, good[i].want.path) == 0);
	}
}

static void an_error_points_at_the_character(void)
{
	/* The offset is that of the bar, which is not a part of the address. */
	static const struct {
		const char *text;
		const char *says;
	} bad[] = {
		{ "|", "begins with" },
		{ "|localhost", "begins with" },
		{ "|http://x:1", "begins with" },
		{ "|TCP://x:1", "begins with" },
		{ "tcp:|", "//" },
		{ "tcp:|x:1", "//" },
		{ "tcp:/|x:1", "//" },
		{ "tcp://|", "host is missing" },
		{ "tcp://|:80", "host is missing" },
		{ "tcp://host|", "port" },
		{ "tcp://host:|", "port is missing" },
		{ "tcp://host:|http", "number" },
		{ "tcp://host:|65536", "65535" },
		{ "tcp://host:|99999999999", "65535" },
		{ "tcp://host:|-1", "number" },
		{ "tcp://host:80|/x", "nothing may follow" },
		{ "tcp://host:80| ", "nothing may follow" },
		{ "tcp://ho|st name:80", NULL },
		{ "tcp://host|@x:80", "host's name" },
		{ "tcp://|-x:80", "begins with" },
		{ "tcp://|::1:80", "brackets" },
		{ "tcp://|2001:db8::1:80", "brackets" },
		{ "tcp://[::1|", "closed" },
		{ "tcp://[::1]|", "port" },
		{ "tcp://[::1]|80", "port" },
		{ "tcp://[::|g]:80", "IPv6" },
		{ "tcp://[|:::]:80", "IPv6" },
		{ "tcp://[|]:80", "IPv6" },
		{ "tcp://[|1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8]:80", "IPv6" },
		{ "tcp://[fe80::1%|]:80", "zone" },
		{ "tcp://1.2.3|:80", "four" },
		{ "tcp://1.2.|256.4:80", "255" },
		{ "tcp://1.2.|03.4:80", "255" },
		{ "tcp://1.2.3.4|.5:80", "four" },
		{ "tcp://x.|1:80", NULL },
		{ "unix:|", "missing" },
		{ "unix:|name", "begins with" },
		{ "unix:|//", NULL },
		{ "unix:/run/|", "missing" },
	};
	char text[128];
	struct ferry_why why;
	struct ferry_address address;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const size_t want = strcspn(bad[i].text, "|");
		size_t at = 999;
		char expected[32];
		snprintf(text, sizeof text, "%.*s%s", (int)want, bad[i].text,
			 bad[i].text + want + 1);
		check_eq(ferry_address_parse(&address, text, &at, &why), -FERRY_EADDRESS);
		if (!bad[i].says)
			continue; /* wrong; at which character is a matter of taste */
		snprintf(expected, sizeof expected, "character %zu: ", want + 1);
		if (at != want || strncmp(why.text, expected, strlen(expected)) != 0 ||
		    !strstr(why.text, bad[i].says))
			check_failed(__FILE__, __LINE__, "%s: at %zu: %s", bad[i].text, at,
				     why.text);
		check_eq(why.error, -FERRY_EADDRESS);
	}
	check_eq(ferry_address_parse(&address, NULL, NULL, NULL), -EINVAL);
	check_eq(ferry_address_parse(NULL, "tcp://x:1", NULL, NULL), -EINVAL);
}

static void lengths_have_limits(void)
{
	char text[400];
	struct ferry_address address;
	size_t at;

	snprintf(text, sizeof text, "tcp://%0253d:1", 0);
	memset(text + 6, 'a', 253);
	check_eq(strlen(parse(text).host), 253);
	snprintf(text, sizeof text, "tcp://%0254d:1", 0);
	memset(text + 6, 'a', 254);
	check_eq(ferry_address_parse(&address, text, &at, NULL), -FERRY_EADDRESS);
	check_eq(at, 6 + 253);
	snprintf(text, sizeof text, "unix:/%0106d", 0);
	check_eq(strlen(parse(text).path), 107);
	snprintf(text, sizeof text, "unix:/%0107d", 0);
	check_eq(ferry_address_parse(&address, text, &at, NULL), -FERRY_EADDRESS);
	check_eq(at, 5 + 107);
	snprintf(text, sizeof text, "unix:@%0107d", 0);
	check_eq(strlen(parse(text).path), 108);
	snprintf(text, sizeof text, "unix:@%0108d", 0);
	check_eq(ferry_address_parse(&address, text, &at, NULL), -FERRY_EADDRESS);
	check_eq(at, 5 + 108);
}

static void an_endpoint_becomes_the_same_text(void)
{
	static const char *const same[] = {
		"tcp://127.0.0.1:80", "udp://[::1]:53",    "udp://[fe80::1%lo]:53",
		"unix:/run/app",      "unix-dgram:@name",  "unix-seqpacket:./x",
		"tls://10.0.0.1:443", "udp://224.0.0.1:1",
	};
	char text[FERRY_ADDRESS_MAX];
	struct ferry_endpoint endpoint;

	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		check_eq(ferry_endpoint_resolve(&endpoint, same[i], FERRY_NOW, NULL), 0);
		check_eq(ferry_endpoint_text(&endpoint, text, sizeof text), strlen(same[i]));
		check(strcmp(text, same[i]) == 0);
		check_eq(ferry_endpoint_text(&endpoint, text, strlen(same[i])), -ERANGE);
	}
	check_eq(ferry_endpoint_resolve(&endpoint, "tcp://[::ffff:1.2.3.4]:9", FERRY_NOW, NULL), 0);
	check(ferry_endpoint_text(&endpoint, text, sizeof text) > 0);
	check(strcmp(text, "tcp://1.2.3.4:9") == 0);
	endpoint.size = 1000;
	check_eq(ferry_endpoint_text(&endpoint, text, sizeof text), -EINVAL);
	endpoint.size = 0;
	check_eq(ferry_endpoint_text(&endpoint, text, sizeof text), -EINVAL);
}

static void what_listeners_may_say_others_may_not(void)
{
	static const char *const texts[] = { "tcp://*:80", "tcp://127.0.0.1:0", "unix:@" };
	struct ferry_endpoint endpoint;
	struct ferry_why why = { 0 };
	ferry_socket *socket;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		check_eq(ferry_endpoint_resolve(&endpoint, texts[i], FERRY_NOW, &why),
			 -FERRY_EADDRESS);
		check(strlen(why.text) > 0);
		check_eq(ferry_connect(&socket, texts[i], NULL, FERRY_NOW), -FERRY_EADDRESS);
	}
	check_eq(ferry_endpoint_resolve(&endpoint, "udp://[fe80::1%nothing]:1", FERRY_NOW, &why),
		 -ENODEV);
}

static void options_out_of_range_are_refused(void)
{
	struct ferry_why why = { 0 };
	ferry_listener *listener;
	static const struct ferry_socket_options bad[] = {
		{ .flags = 1u << 31 },
		{ .mode = 01777 },
		{ .message_max = 1u << 31 },
		{ .backlog = 1u << 31 },
		{ .keepalive = -1 },
		{ .user_timeout = -1 },
		{ .hops = 256 },
		{ .traffic_class = 256 },
		{ .tls.verify = 2 },
		{ .tls.version_min = 11 },
		{ .interface = "aninterfacethatistoolong" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ferry_socket_options options = bad[i];
		options.size = sizeof options;
		options.why = &why;
		check_eq(ferry_listen(&listener, "tcp://127.0.0.1:0", &options, FERRY_NOW),
			 -EINVAL);
		check(strlen(why.text) > 0);
		why.text[0] = '\0';
	}
	struct {
		struct ferry_socket_options known;
		uint64_t more;
	} later = { .known.size = sizeof later, .more = 1 };
	check_eq(ferry_listen(&listener, "tcp://127.0.0.1:0", &later.known, FERRY_NOW), -E2BIG);
	later.known.size = 1;
	check_eq(ferry_listen(&listener, "tcp://127.0.0.1:0", &later.known, FERRY_NOW), -EINVAL);
	check_eq(ferry_listen(&listener, NULL, NULL, FERRY_NOW), -EINVAL);
	check_eq(ferry_listen(NULL, "unix:@x", NULL, FERRY_NOW), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(every_kind_of_address_is_taken_apart),
		claim(an_error_points_at_the_character),
		claim(lengths_have_limits),
		claim(an_endpoint_becomes_the_same_text),
		claim(what_listeners_may_say_others_may_not),
		claim(options_out_of_range_are_refused),
	};

	return claim_run_all(claims);
}
