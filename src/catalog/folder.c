/*
 * folder.c - the files of a project folder, in the order of their names.
 *
 * Only *.yaml and *.yml, no dotfiles, so that an editor's or a replacement's temporary file is
 * never read. Sorted, so that messages come in the same order everywhere. Refused: reading
 * folders inside events/ and accounts/, where two files of one name would look like one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "catalog/load.h"
#include "conf/map.h"
#include "conf/yaml.h"

enum { MAX_DEPTH = 8 };

/* The length of the name without its ending, 0: no file of ours. */
static size_t stem_length(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (name[0] == '.' || !dot ||
		(strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0))
		return 0;
	return (size_t)(dot - name);
}

static int by_name(const void *left, const void *right)
{
	const struct load_file *a = left, *b = right;

	return strcmp(a->name, b->name);
}

/* The folder, or NULL: it is not there (or cannot be read: an error). */
static DIR *open_folder(struct load *load, const char *folder)
{
	const char *path = arena_printf(
		load->messages, "%s/%s", load->settings->folder, folder);
	DIR *dir = opendir(path);

	if (!dir && errno != ENOENT)
		diag_error(
			load->diag, (struct place){ 0 }, "%s: %s", path, strerror(errno));
	return dir;
}

static void add_file(struct load *load, struct load_files *files, const char *folder,
	const char *name, size_t stem)
{
	struct load_file *file;

	if (files->count == files->capacity) {
		size_t size = sizeof(*files->items), old = files->capacity;

		files->capacity = old ? 2 * old : 16;
		files->items = arena_grow(
			load->messages, files->items, old * size, files->capacity * size);
	}
	file = &files->items[files->count++];
	*file = (struct load_file){
		.path = arena_printf(
			load->messages, "%s/%s/%s", load->settings->folder, folder, name),
		.name = arena_printf(load->messages, "%s/%s", folder, name),
		.stem = arena_text(load->messages, (struct text){ name, stem }),
	};
}

struct load_files load_list(struct load *load, const char *folder)
{
	struct load_files files = { NULL, 0, 0 };
	DIR *dir = open_folder(load, folder);
	struct dirent *entry;

	if (!dir)
		return files;
	while ((entry = readdir(dir))) {
		size_t stem = stem_length(entry->d_name);

		if (stem)
			add_file(load, &files, folder, entry->d_name, stem);
	}
	closedir(dir);
	if (files.count)
		qsort(files.items, files.count, sizeof(*files.items), by_name);
	return files;
}

static size_t count_below(struct load *load, const char *folder, unsigned depth)
{
	DIR *dir = open_folder(load, folder);
	struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		const char *below = arena_printf(
			load->messages, "%s/%s", folder, entry->d_name);
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		if (stem_length(entry->d_name))
			count++;
		else if (depth < MAX_DEPTH &&
			 fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
			 S_ISDIR(st.st_mode))
			count += count_below(load, below, depth + 1);
	}
	closedir(dir);
	return count;
}

size_t load_count(struct load *load, const char *folder)
{
	return count_below(load, folder, 0);
}

bool load_parse(struct load *load, struct load_file *file)
{
	file->source = yaml_read(file->path, file->name, load->messages, load->diag);
	if (file->source)
		file->digest = hash_bytes(file->source->text.at, file->source->text.len);
	if (file->source)
		file->root = yaml_parse(file->source, load->arena, load->diag);
	if (!file->root)
		return false;
	if (file->root->kind == NODE_MAP)
		return true;
	diag_error(load->diag, file->root->place, "the file holds %s, not a mapping",
		node_kind_name(file->root->kind));
	if (file->root->kind == NODE_STRING)
		diag_hint(load->diag, "is a ':' missing?");
	return false;
}

/* ---- .rhubrc -------------------------------------------------------------------------- */

/* A folder that .rhubrc names: below the project folder, nothing above it. */
static bool is_below(struct text t)
{
	for (size_t at = 0; at < t.len;) {
		const char *slash = memchr(t.at + at, '/', t.len - at);
		size_t end = slash ? (size_t)(slash - t.at) : t.len;

		if (end == at || (end - at == 2 && memcmp(t.at + at, "..", 2) == 0))
			return false;
		at = end + 1;
	}
	return t.len > 0;
}

void load_rhubrc(struct load *load)
{
	struct load_file file = { .name = ".rhubrc",
		.path = arena_printf(
			load->messages, "%s/.rhubrc", load->settings->folder) };
	struct stat st;

	if (stat(file.path, &st) == 0 && load_parse(load, &file))
		load->rhubrc = file.root;
}

const char *load_folder(struct load *load, const char *part)
{
	const struct node *folder = node_get(node_get(load->rhubrc, part), "folder");

	if (node_is_null(folder))
		return part;
	if (folder->kind == NODE_STRING && is_below(folder->text))
		return arena_text(load->messages, folder->text).at;
	diag_error(load->diag, folder->place, "the folder of %s is a path inside this one",
		part);
	return part;
}

/* ---- what is not in force ------------------------------------------------------------- */

static void count_idle(struct load *load, struct text name)
{
	size_t size = sizeof(*load->idle_keys);

	for (size_t i = 0; i < load->idle_count; i++) {
		if (text_is(name, load->idle_keys[i].name)) {
			load->idle_keys[i].files++;
			return;
		}
	}
	load->idle_keys = arena_grow(load->messages, load->idle_keys,
		load->idle_count * size, (load->idle_count + 1) * size);
	load->idle_keys[load->idle_count++] = (struct load_idle){
		arena_text(load->messages, name).at, 1
	};
}

void load_idle_done(struct load *load)
{
	struct text names = strbuf_get(&load->idle);

	for (size_t at = 0; at < names.len;) {
		const char *comma = memmem(names.at + at, names.len - at, ", ", 2);
		size_t end = comma ? (size_t)(comma - names.at) : names.len;

		count_idle(load, (struct text){ names.at + at, end - at });
		at = end + 2;
	}
	strbuf_clear(&load->idle);
}

const char *load_idle_text(struct load *load)
{
	struct strbuf out;

	if (!load->idle_count)
		return NULL;
	strbuf_init_arena(&out, load->arena, 65536);
	for (size_t i = 0; i < load->idle_count; i++) {
		strbuf_printf(&out, "%s%s", i ? ", " : "", load->idle_keys[i].name);
		if (load->idle_keys[i].files > 1)
			strbuf_printf(&out, " (%zu files)", load->idle_keys[i].files);
	}
	return arena_text(load->arena, strbuf_get(&out)).at;
}
