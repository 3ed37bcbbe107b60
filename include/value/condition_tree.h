/*
 * condition_tree.h - a compiled condition; private to the condition's files.
 */
#ifndef VOLLEY_VALUE_CONDITION_TREE_H
#define VOLLEY_VALUE_CONDITION_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "value/condition.h"
#include "value/condition_lex.h"
#include "value/date.h"
#include "value/like.h"

enum term_kind {
	TERM_OR,
	TERM_AND,
	TERM_NOT,
	TERM_COMPARE,
	TERM_IN,
	TERM_LIKE,
	TERM_BETWEEN,
	TERM_NULL
};

/* Bits: which orders of left and right make the comparison true. */
enum order { ORDER_LESS = 1, ORDER_EQUAL = 2, ORDER_GREATER = 4 };

struct literal {
	struct value value;     /* null, boolean, number or string */
	struct instant instant; /* where the term compares dates */
	size_t at, len;
};

struct operand {
	bool is_path;
	struct binding binding; /* is_path */
	enum model_type type;   /* of what is compared: an array's element, a literal's */
	bool has_type;          /* false: Any, or the operand was wrong */
	struct literal literal; /* !is_path */
	size_t at, len;
};

/* A connective or predicate. */
struct term {
	enum term_kind kind;
	size_t at, len;             /* of the condition's text */
	struct term *next;          /* beside it under the same connective */
	struct term *first;         /* connectives */
	bool negated;               /* NOT IN, NOT LIKE, NOT BETWEEN, IS NOT NULL */
	bool dates;                 /* compares instants */
	unsigned orders;            /* TERM_COMPARE: ORDER_ bits */
	struct operand left, right; /* right: TERM_COMPARE */
	size_t shared; /* TERM_COMPARE of two paths: parts that both begin with */
	struct literal *literals; /* TERM_IN; TERM_BETWEEN: the two bounds */
	size_t count;
	const struct like *like; /* TERM_LIKE */
};

struct condition {
	struct term *root; /* NULL: always true */
	size_t terms;
};

struct parser {
	struct lexer lexer;
	struct word word; /* the one looked at */
	size_t end;       /* of the word before */
	const struct scope *scope;
	unsigned depth;
	size_t terms;
	bool broken; /* a mistake in the syntax: nothing more is read */
};

/* Reads the text into terms, checked. NULL: blank text, or a mistake that went to diag. */
struct term *condition_parse(struct parser *parser);

/*
 * Binds a predicate's paths and checks its types; compiles dates and patterns. Mistakes go
 * to the parser's diag.
 */
void condition_check(struct parser *parser, struct term *term);

#endif
