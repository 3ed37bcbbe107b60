/*
 * template_parts.h - a compiled template; private to the template's files.
 */
#ifndef VOLLEY_VALUE_TEMPLATE_PARTS_H
#define VOLLEY_VALUE_TEMPLATE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "value/template.h"

enum template_kind { TEMPLATE_LITERAL, TEMPLATE_WILDCARD, TEMPLATE_MIXED };

enum conversion { CONVERT_NONE, CONVERT_STRING, CONVERT_NUMBER, CONVERT_BOOLEAN };

struct template
{
	enum template_kind kind;
	const char *field;         /* for messages */
	const struct value *value; /* literal */
	struct text text;          /* literal: as text; wildcard: as written, with braces */
	struct binding binding;    /* wildcard, and what follows */
	bool optional;             /* {path?} */
	const struct value *fallback;  /* {path|default}; NULL: none */
	enum conversion conversion;    /* of the whole, mixed text too */
	const struct template **parts; /* one, itself, where it is not mixed */
	size_t count;
};

/* A map's member; its value's tree. */
struct template_member {
	struct text name;
	const struct template_tree *tree;
};

struct template_tree {
	enum node_kind kind; /* NODE_MAP, NODE_LIST; anything else: a scalar */
	const struct template *scalar;
	const struct template_tree **items; /* list */
	struct template_member *members;    /* map */
	size_t count;
	const struct value *literal; /* all of it, where it holds no wildcard; else NULL */
};

#endif
