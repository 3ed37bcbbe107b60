/*
 * process.h - what the system says about this process: memory and open files.
 */
#ifndef VOLLEY_BASE_PROCESS_H
#define VOLLEY_BASE_PROCESS_H

#include <stdint.h>

#include "base/metric.h"

struct process_figures {
	uint64_t arenas, resident; /* bytes: held by arenas, in memory altogether */
	uint64_t files, files_max; /* descriptors open, and allowed */
	uint64_t cpu;              /* ns: of all threads, user and system */
};
extern const struct metric process_memory_metrics[], process_file_metrics[],
	process_cpu_metrics[];

/* Opens what is read later. Before the loop serves. */
void process_open(void);

/* Zeros where the system does not tell. Waits for nothing; some system calls. */
void process_read(struct process_figures *out);

/* Gives back what process_open() has taken. */
void process_close(void);

#endif
