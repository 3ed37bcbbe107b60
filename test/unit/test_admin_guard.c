/*
 * test_admin_guard.c - front/admin_guard: which Host and Origin headers are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "front/admin_guard.h"

static const char *listed[] = { "volley.internal", "b" };
static const struct settings_admin admin = { .hosts = listed, .host_count = 2 };
static const struct settings_admin bare = { .host_count = 0 };

static void known_hosts(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "127.0.0.1:1", "0.0.0.0",
		"255.1.2.3:65535", "[::1]", "[::1]:80", "[fe80::1]", "localhost",
		"LOCALHOST:8081", "localhost:" };

	for (size_t i = 0; i < array_len(hosts); i++)
		assert_true(admin_host_is_known(text_of(hosts[i]), &bare));
	assert_true(admin_host_is_known(TEXT("Volley.Internal:1"), &admin));
	assert_true(admin_host_is_known(TEXT("b"), &admin));
	assert_false(admin_host_is_known(TEXT("volley.internal"), &bare));
}

static void strange_hosts(void **state)
{
	static const char *const hosts[] = { "", ":", ":80", "evil.example", "localhost.",
		"xlocalhost", "127.0.0.1.", "127.0.0.1.evil", "127.1", "1.2.3.4.5", "::1",
		"[", "[]", "[::1", "[::1]]", "[::1]80", "[127.0.0.1]", "[localhost]",
		"[::1%lo]", "localhost:8a", "localhost:123456", "localhost:80:80",
		"a@localhost", "localhost/", "localhost ", " localhost", "bb", "b.",
		"volley.internal.evil" };

	for (size_t i = 0; i < array_len(hosts); i++)
		assert_false(admin_host_is_known(text_of(hosts[i]), &admin));
	assert_false(admin_host_is_known((struct text){ "localhost\0", 10 }, &admin));
	assert_false(admin_host_is_known((struct text){ "127.0.0.1\0x", 11 }, &admin));
}

static void origins(void **state)
{
	static const char *const good[] = { "http://localhost", "https://127.0.0.1:1",
		"http://[::1]:8081", "https://b" };
	static const char *const bad[] = { "", "null", "localhost", "http://", "https://",
		"http://evil", "HTTP://localhost/", "http://localhost/", "ws://localhost",
		"http://localhost http://localhost", "http:localhost", "file://" };

	for (size_t i = 0; i < array_len(good); i++)
		assert_true(admin_origin_is_known(text_of(good[i]), &admin));
	for (size_t i = 0; i < array_len(bad); i++)
		assert_false(admin_origin_is_known(text_of(bad[i]), &admin));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_hosts),
		cmocka_unit_test(strange_hosts),
		cmocka_unit_test(origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
