/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine's memory and the limits of control groups. See memory.h.
 */
#include "local/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where control groups of one version are mounted, and which of them it shows as its root. */
struct hierarchy {
    bool second; /* version 2 */
    char point[PATH_MAX], top[PATH_MAX];
};

static FILE *open_under(const char *root, const char *path)
{
    char full[2 * PATH_MAX];

    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
        return NULL;
    return fopen(full, "re");
}

static uint64_t machine(const char *root)
{
    FILE *file = open_under(root, "/proc/meminfo");
    char line[256];
    uint64_t kib = 0;

    if (!file)
        return 0;
    while (kib == 0 && fgets(line, sizeof(line), file))
        (void)sscanf(line, "MemTotal: %" SCNu64 " kB", &kib);
    fclose(file);
    return kib * 1024;
}

/* Whether the words between commas hold this one. */
static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0' || at[len] == '\n'))
            return true;
    return false;
}

/* A line of mountinfo. True: it is a mount of control groups that may limit memory. */
static bool read_mount(const char *line, struct hierarchy *hierarchy)
{
    char type[64], super[1024];
    const char *rest = strstr(line, " - ");

    if (!rest || sscanf(rest, " - %63s %*s %1023s", type, super) != 2 ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", hierarchy->top, hierarchy->point) != 2)
        return false;
    hierarchy->second = strcmp(type, "cgroup2") == 0;
    return hierarchy->second || (strcmp(type, "cgroup") == 0 && has_word(super, "memory"));
}

/* The group of this process in the hierarchy, as /proc/self/cgroup names it. False: there is none. */
static bool find_group(const char *root, const struct hierarchy *hierarchy, char group[PATH_MAX])
{
    FILE *file = open_under(root, "/proc/self/cgroup");
    char line[PATH_MAX + 256];
    bool found = false;

    if (!file)
        return false;
    while (!found && fgets(line, sizeof(line), file)) { /* number:controllers:path */
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        found = hierarchy->second ? controllers[1] == '\0' : has_word(controllers + 1, "memory");
        snprintf(group, PATH_MAX, "%s", path);
    }
    fclose(file);
    return found;
}

static uint64_t limit_in(const char *root, const char *directory, bool second)
{
    char path[2 * PATH_MAX];
    uint64_t limit = UINT64_MAX;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, second ? "memory.max" : "memory.limit_in_bytes");
    file = open_under(root, path);
    if (!file)
        return UINT64_MAX;
    if (fscanf(file, "%" SCNu64, &limit) != 1) /* "max" */
        limit = UINT64_MAX;
    fclose(file);
    return limit;
}

/* The least of the limits of the group and of all above it. */
static uint64_t limit_of(const char *root, const struct hierarchy *hierarchy)
{
    size_t top = strcmp(hierarchy->top, "/") == 0 ? 0 : strlen(hierarchy->top), point = strlen(hierarchy->point);
    char group[PATH_MAX], path[2 * PATH_MAX];
    uint64_t least = UINT64_MAX;

    if (!find_group(root, hierarchy, group))
        return UINT64_MAX;
    if (strncmp(group, hierarchy->top, top) != 0 || (group[top] != '/' && group[top] != '\0'))
        group[top = 0] = '\0'; /* it lies outside of what is mounted here: the mount's root is the nearest */
    snprintf(path, sizeof(path), "%s%s", hierarchy->point, group + top);
    for (;;) {
        uint64_t limit = limit_in(root, path, hierarchy->second);
        char *last = strrchr(path, '/');

        least = limit < least ? limit : least;
        if (strlen(path) <= point || !last)
            return least;
        *last = '\0';
    }
}

uint64_t local_memory(const char *root)
{
    FILE *file = open_under(root, "/proc/self/mountinfo");
    uint64_t memory = machine(root);
    char line[4 * PATH_MAX];
    struct hierarchy hierarchy;

    if (!file)
        return memory;
    while (fgets(line, sizeof(line), file)) {
        uint64_t limit = read_mount(line, &hierarchy) ? limit_of(root, &hierarchy) : UINT64_MAX;

        if (limit < memory)
            memory = limit;
    }
    fclose(file);
    return memory;
}
