/*
 * loop_test.c - a fault to be found: a pass that blocks, when the environment asks for it.
 *
 * It stands in every build, since the figures that must show it are those of release builds.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"
#include "loop/loop.h"

#define BLOCK_AFTER (100 * NS_PER_MS)

static struct timespec pause;
static struct loop_timer timer;

static void block(struct loop_timer *fired)
{
	nanosleep(&pause, NULL);
}

void loop_test_block(struct loop *loop)
{
	const char *text = getenv("VOLLEY_TEST_BLOCK");
	uint64_t ns;

	if (!text || !units_duration(text_of(text), &ns))
		return;
	pause.tv_sec = (time_t)(ns / NS_PER_SEC);
	pause.tv_nsec = (long)(ns % NS_PER_SEC);
	loop_timer_init(loop, &timer, block);
	loop_timer_start(&timer, BLOCK_AFTER);
}
