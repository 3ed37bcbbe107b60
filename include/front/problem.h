/*
 * problem.h - error replies: application/problem+json (RFC 9457), readable by the original
 * clients too.
 */
#ifndef VOLLEY_FRONT_PROBLEM_H
#define VOLLEY_FRONT_PROBLEM_H

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "net/http_server.h"
#include "value/model.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

/*
 * The body, in the arena: `title` from the status, `detail` and `message` (the original
 * clients read that one) the same text, `errors` from the mismatches unless NULL.
 */
struct text problem_body(struct arena *arena, int status, struct text detail,
	const struct model_mismatches *mismatches);

/* For error_body() of struct http_handler; any owner. */
struct text problem_error_body(void *owner, int status, const char *detail,
	struct arena *arena, const char **content_type);

/* Replies with a problem; extra header lines as in struct http_reply. */
void problem_reply(struct http_request *request, int status, const char *(*headers)[2],
	size_t header_count, const char *format, ...) printf_like(5, 6);

#endif
