/*
 * test_log.c - lines as they come out of a stderr that is a file, a slow pipe or a socket.
 *
 * cmocka itself writes on stderr, so it is exchanged only inside capture() and its kin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static char out[2 << 20]; /* what was written, NUL-terminated */
static int real_stderr;

static void redirect(int fd)
{
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	assert_true(real_stderr >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static void restore(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
}

/* Flushes into a file and gives what came, without its time, which it checks. */
static const char *flushed(void)
{
	FILE *file = tmpfile();
	size_t len;
	char *time;

	assert_non_null(file);
	redirect(fileno(file));
	log_flush();
	restore();
	rewind(file);
	len = fread(out, 1, sizeof(out) - 1, file);
	out[len] = '\0';
	fclose(file);
	if (len == 0)
		return out;
	time = strstr(out, "20");
	assert_non_null(time);
	assert_int_equal(time[10], 'T');
	assert_int_equal(time[23], 'Z');
	memmove(time, time + 24, strlen(time + 24) + 1);
	return out;
}

static int reset(void **state)
{
	log_configure(LOG_INFO, LOG_LOGFMT);
	return 0;
}

static void logfmt(void **state)
{
	log_line(LOG_INFO, "started", "address", "127.0.0.1:8080", "empty", "", "none",
		NULL, "blank", "a b", "equals", "a=b", "quote", "say \"x\" \\", "path",
		"/a/b-c_d", NULL);
	assert_string_equal(flushed(), "time= level=info msg=\"started\" "
				       "address=127.0.0.1:8080 empty=\"\" none=\"\" "
				       "blank=\"a b\" equals=\"a=b\" quote=\"say \\\"x\\\" "
				       "\\\\\" path=/a/b-c_d\n");
}

static void json(void **state)
{
	log_configure(LOG_INFO, LOG_JSON);
	log_begin(LOG_WARN, TEXT("it \"broke\""));
	log_text("key", TEXT("va\nlue"));
	log_number("count", -5);
	log_field(TEXT("my key"), TEXT("x"));
	log_raw(TEXT("raw"), TEXT("1.50"));
	log_end();
	assert_string_equal(flushed(),
		"{\"time\":\"\",\"level\":\"warn\",\"msg\":\"it \\\"broke\\\"\","
		"\"key\":\"va\\nlue\",\"count\":-5,\"my key\":\"x\",\"raw\":1.50}\n");
}

static void pieces(void **state)
{
	log_begin(LOG_ERROR, TEXT("m"));
	log_text("k", TEXT("v"));
	log_number("n", INT64_MIN);
	log_field(TEXT("a key"), TEXT("v"));
	log_field(TEXT("msg"), TEXT("v")); /* names that are ours get a tail */
	log_field(TEXT(""), TEXT("v"));
	log_raw(TEXT("flag"), TEXT("true"));
	log_end();
	assert_string_equal(flushed(),
		"time= level=error msg=\"m\" k=v n=-9223372036854775808 "
		"\"a key\"=v msg_=v \"\"=v flag=true\n");
}

/* Nothing that a request brings may start a line or move a terminal's cursor. */
static void escapes(void **state)
{
	log_begin(LOG_INFO, TEXT("a\r\n\tb"));
	log_text("controls", TEXT("\x1b[31m\0\x7f"));
	log_text("c1", TEXT("\xC2\x9B"
			    "31m"));
	log_text("utf8", TEXT("gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80"));
	log_text("bad", TEXT("\xC3(\xFF"));
	log_text("plain", TEXT("gr\xC3\xBC\xC3\x9F"));
	log_end();
	assert_string_equal(flushed(),
		"time= level=info msg=\"a\\r\\n\\tb\" "
		"controls=\"\\u001b[31m\\u0000\\u007f\" "
		"c1=\"\\u009b31m\" utf8=\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80\" "
		"bad=\"\\ufffd(\\ufffd\" plain=gr\xC3\xBC\xC3\x9F\n");
}

static void levels(void **state)
{
	enum log_level level = LOG_INFO;

	log_configure(LOG_WARN, LOG_LOGFMT);
	assert_false(log_enabled(LOG_INFO));
	assert_true(log_enabled(LOG_ERROR));
	log_line(LOG_INFO, "quiet", "k", "v", NULL);
	log_begin(LOG_DEBUG, TEXT("quiet"));
	log_text("k", TEXT("v"));
	log_end();
	assert_string_equal(flushed(), "");
	log_line(LOG_WARN, "loud", NULL);
	assert_string_equal(flushed(), "time= level=warn msg=\"loud\"\n");
	assert_true(log_level_parse(TEXT("debug"), &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_true(log_level_parse(TEXT("error"), &level));
	assert_int_equal(level, LOG_ERROR);
	assert_false(log_level_parse(TEXT("Error"), &level));
	assert_false(log_level_parse(TEXT(""), &level));
}

static void long_values_are_cut(void **state)
{
	static char value[20000];

	memset(value, 'v', sizeof(value));
	log_begin(LOG_INFO, TEXT("m"));
	log_text("k", (struct text){ value, sizeof(value) });
	log_text("after", TEXT("x"));
	log_end();
	assert_string_equal(strrchr(flushed(), 'v') - 2, "vvv...\" after=x\n");
	assert_int_equal(strlen(strchr(out, 'k')), 16384 + strlen("k=\"...\" after=x\n"));
}

static size_t lines(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* Flushes into ends[1] and reads ends[0], in turn, until nothing comes; counts the lines. */
static size_t read_lines(const int ends[2])
{
	size_t all = 0;
	ssize_t got;

	do {
		redirect(ends[1]);
		log_flush();
		restore();
		got = read(ends[0], out, sizeof(out) - 1);
		out[got > 0 ? got : 0] = '\0';
		all += lines(out);
		assert_null(strstr(out, "\"time=")); /* a line taken back leaves nothing */
	} while (got > 0);
	return all;
}

/* Nobody reads the pipe: nothing blocks, what does not fit is counted, and said later. */
static void a_reader_that_does_not_read(void **state)
{
	uint64_t before = log_dropped(), start = clock_now(), dropped;
	char text[1000];
	int ends[2];

	memset(text, 't', sizeof(text));
	assert_int_equal(pipe(ends), 0);
	redirect(ends[1]);
	for (int i = 0; i < 1000; i++) {
		log_begin(LOG_INFO, (struct text){ text, sizeof(text) });
		log_end();
		log_flush();
	}
	restore();
	dropped = log_dropped() - before;
	assert_in_range(dropped, 500, 900);
	assert_true(clock_now() - start < 2 * NS_PER_SEC);
	/* The pipe's owner did not ask for O_NONBLOCK. */
	assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read_lines(ends), 1000 - dropped);
	log_line(LOG_INFO, "back", NULL);
	snprintf(text, sizeof(text), "time= level=info msg=\"back\" dropped=%d\n",
		(int)dropped);
	assert_string_equal(flushed(), text);
	log_line(LOG_INFO, "again", NULL);
	assert_string_equal(flushed(), "time= level=info msg=\"again\"\n");
	close(ends[0]);
	close(ends[1]);
}

/* journald hands out sockets. */
static void a_socket(void **state)
{
	uint64_t before = log_dropped();
	char text[3000];
	int ends[2];

	memset(text, 't', sizeof(text));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	redirect(ends[1]);
	for (int i = 0; i < 70; i++) {
		log_begin(LOG_INFO, (struct text){ text, sizeof(text) });
		log_end();
		log_flush();
	}
	restore();
	assert_int_equal(log_dropped(), before);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read_lines(ends), 70);
	close(ends[0]);
	close(ends[1]);
}

static void a_reader_that_left(void **state)
{
	uint64_t before = log_dropped();
	int ends[2];

	signal(SIGPIPE, SIG_IGN); /* as volleyd does first thing */
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	log_line(LOG_INFO, "one", NULL);
	log_line(LOG_INFO, "two", NULL);
	redirect(ends[1]);
	log_flush();
	restore();
	close(ends[1]);
	assert_int_equal(log_dropped() - before, 2);
	assert_string_equal(flushed(), "");
}

/* The last lines wait for a slow reader, but not for ever. */
static void draining(void **state)
{
	char text[1000];
	uint64_t start;
	int ends[2];

	memset(text, 't', sizeof(text));
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < 100; i++) {
		log_begin(LOG_INFO, (struct text){ text, sizeof(text) });
		log_end();
	}
	start = clock_now();
	redirect(ends[1]);
	log_drain();
	restore();
	assert_in_range(clock_now() - start, 900 * NS_PER_MS, 5000 * NS_PER_MS);
	(void)flushed(); /* the rest */
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(logfmt, reset),
		cmocka_unit_test_setup(json, reset),
		cmocka_unit_test_setup(pieces, reset),
		cmocka_unit_test_setup(escapes, reset),
		cmocka_unit_test_setup(levels, reset),
		cmocka_unit_test_setup(long_values_are_cut, reset),
		cmocka_unit_test_setup(a_reader_that_does_not_read, reset),
		cmocka_unit_test_setup(a_socket, reset),
		cmocka_unit_test_setup(a_reader_that_left, reset),
		cmocka_unit_test_setup(draining, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
