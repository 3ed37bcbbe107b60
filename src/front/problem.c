/*
 * problem.c - error replies in one shape.
 */
#include "front/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "value/json.h"

static void write_errors(yajl_gen gen, const struct model_mismatches *mismatches)
{
	json_key(gen, "errors");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < mismatches->count; i++) {
		yajl_gen_map_open(gen);
		json_string(gen, "path", mismatches->items[i].path);
		json_string(gen, "message", mismatches->items[i].message);
		yajl_gen_map_close(gen);
	}
	yajl_gen_array_close(gen);
}

struct text problem_body(struct arena *arena, int status, struct text detail,
	const struct model_mismatches *mismatches)
{
	struct strbuf body;
	yajl_gen gen;

	strbuf_init_arena(&body, arena, SIZE_MAX);
	gen = json_begin(&body);
	yajl_gen_map_open(gen);
	json_string(gen, "title", text_of(http_reason(status)));
	json_integer(gen, "status", status);
	json_string(gen, "detail", detail);
	json_string(gen, "message", detail);
	if (mismatches)
		write_errors(gen, mismatches);
	yajl_gen_map_close(gen);
	json_end(gen);
	return strbuf_get(&body);
}

struct text problem_error_body(void *owner, int status, const char *detail,
	struct arena *arena, const char **content_type)
{
	*content_type = PROBLEM_CONTENT_TYPE;
	return problem_body(arena, status, text_of(detail), NULL);
}

void problem_reply(struct http_request *request, int status, const char *(*headers)[2],
	size_t header_count, const char *format, ...)
{
	char detail[512];
	va_list arguments;
	struct http_reply reply = { .status = status,
		.content_type = PROBLEM_CONTENT_TYPE,
		.headers = headers,
		.header_count = header_count };

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	reply.body = problem_body(request->arena, status, text_of(detail), NULL);
	http_reply(request, &reply);
}
