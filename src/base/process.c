/*
 * process.c - memory and files of this process, from procfs, which never waits for a disk.
 *
 * The file of the memory is opened once and read at offset 0. Linux 6.2 and later tell the
 * number of descriptors as the size of /proc/self/fd; before, they are counted one by one, up
 * to a bound. Refused: mallinfo(), which walks the whole heap.
 */
#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum { FILES_COUNTED_MAX = 20000 };

#define AT(member) offsetof(struct process_figures, member)

const struct metric process_memory_metrics[] = {
	{ "volley_memory_bytes", "bytes", METRIC_GAUGE, METRIC_PLAIN, AT(arenas), "kind",
		"arenas|resident", false,
		"memory in arenas (runs, requests, catalogs), and of the whole process" },
	{ .name = NULL },
};

const struct metric process_file_metrics[] = {
	{ "volley_open_files", "open", METRIC_GAUGE, METRIC_PLAIN, AT(files), NULL, NULL,
		false, "file descriptors that are open" },
	{ "volley_open_files_limit", "limit", METRIC_GAUGE, METRIC_PLAIN, AT(files_max),
		NULL, NULL, false, "file descriptors that may be open" },
	{ .name = NULL },
};

const struct metric process_cpu_metrics[] = {
	{ "volley_cpu_seconds_total", "cpuMS", METRIC_COUNTER, METRIC_NANOSECONDS, AT(cpu),
		NULL, NULL, false, "CPU time of the process" },
	{ .name = NULL },
};

static int memory_file = -1;

void process_open(void)
{
	if (memory_file < 0)
		memory_file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void process_close(void)
{
	if (memory_file >= 0)
		close(memory_file);
	memory_file = -1;
}

static uint64_t resident(void)
{
	char line[128];
	unsigned long pages = 0;
	ssize_t len = memory_file < 0 ? -1 : pread(memory_file, line, sizeof(line) - 1, 0);

	if (len <= 0)
		return 0;
	line[len] = '\0';
	if (sscanf(line, "%*u %lu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
	const struct dirent *entry;
	struct stat st;
	uint64_t count = 0;
	DIR *folder;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	folder = opendir("/proc/self/fd");
	if (!folder)
		return 0;
	while (count < FILES_COUNTED_MAX && (entry = readdir(folder)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count > 0 ? count - 1 : 0; /* the folder's own */
}

void process_read(struct process_figures *out)
{
	struct rlimit limit = { 0 };
	struct timespec cpu = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	*out = (struct process_figures){
		.arenas = arena_total() + arena_total_lasting(),
		.resident = resident(),
		.files = open_files(),
		.files_max = limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur,
		.cpu = (uint64_t)cpu.tv_sec * NS_PER_SEC + (uint64_t)cpu.tv_nsec,
	};
}
