// SPDX-License-Identifier: GPL-2.0-only
/*
 * Results on stdout. As text: "key: value" for a value; a line for each row of an
 * array, with columns and a heading on a terminal, and tabs between them in a pipe.
 */
#include <string.h>
#include <unistd.h>

#include "luctl.h"

#define OUT_COLUMNS	16
#define OUT_WIDTH	64

static struct {
	bool json;
	bool terminal;
	bool in_row;
	/* A comma is due. */
	bool more;
	bool heading_told;
	unsigned int columns;
	char keys[OUT_COLUMNS][OUT_WIDTH];
	char values[OUT_COLUMNS][OUT_WIDTH * 2];
} out;

static void out_quote(const char *text)
{
	const unsigned char *at;

	putchar('"');
	for (at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < ' ' || *at > '~')
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

static void out_key(const char *key)
{
	if (out.more)
		putchar(',');
	out.more = true;
	if (key) {
		out_quote(key);
		putchar(':');
	}
}

void out_begin(bool json)
{
	memset(&out, 0, sizeof(out));
	out.json = json;
	out.terminal = isatty(STDOUT_FILENO);
	if (json)
		putchar('{');
}

void out_end(void)
{
	if (out.json)
		printf("}\n");
	fflush(stdout);
}

void out_array_begin(const char *key)
{
	out.heading_told = false;
	if (!out.json)
		return;
	out_key(key);
	putchar('[');
	out.more = false;
}

void out_array_end(void)
{
	if (out.json)
		putchar(']');
	out.more = true;
}

void out_row_begin(void)
{
	out.in_row = true;
	out.columns = 0;
	if (!out.json)
		return;
	out_key(NULL);
	putchar('{');
	out.more = false;
}

static void out_columns(char texts[][OUT_WIDTH], size_t stride)
{
	const char *text;
	unsigned int i;
	int width;

	for (i = 0; i < out.columns; i++) {
		text = (const char *)texts + i * stride;
		width = i ? 11 : 32;
		if (i + 1 == out.columns)
			printf("%s\n", text);
		else if (out.terminal)
			printf("%-*s ", width, text);
		else
			printf("%s\t", text);
	}
}

void out_row_end(void)
{
	out.in_row = false;
	if (out.json) {
		putchar('}');
		out.more = true;
		return;
	}
	if (out.terminal && !out.heading_told)
		out_columns(out.keys, sizeof(out.keys[0]));
	out.heading_told = true;
	out_columns((char (*)[OUT_WIDTH])out.values, sizeof(out.values[0]));
}

/* @quoted is for JSON: it is no number. */
static void out_value(const char *key, const char *value, bool quoted)
{
	if (out.json) {
		out_key(key);
		if (quoted)
			out_quote(value);
		else
			fputs(value, stdout);
	} else if (!out.in_row) {
		printf(out.terminal ? "%-20s %s\n" : "%s: %s\n", key, value);
	} else if (out.columns < OUT_COLUMNS) {
		snprintf(out.keys[out.columns], sizeof(out.keys[0]), "%s", key);
		snprintf(out.values[out.columns], sizeof(out.values[0]), "%s", value);
		out.columns++;
	}
}

void out_text(const char *key, const char *value)
{
	out_value(key, value, true);
}

void out_number(const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	out_value(key, text, false);
}

void out_real(const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", value);
	out_value(key, text, false);
}

void out_bool(const char *key, bool value)
{
	out_value(key, out.json ? (value ? "true" : "false") : (value ? "yes" : "no"), false);
}

void out_none(const char *key)
{
	out_value(key, out.json ? "null" : "-", false);
}
