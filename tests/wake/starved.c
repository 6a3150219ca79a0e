/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads /proc/PID/task/TID/schedstat, whose second number is the time in a run queue. See starved.h.
 */
#include "tests/wake/starved.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void look_at_thread(struct starved_threads *threads, int process, int id)
{
    unsigned long long ran, waited;
    char path[96];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", process, id);
    file = fopen(path, "re");
    if (!file)
        return;
    if (fscanf(file, "%llu %llu", &ran, &waited) == 2 && threads->count < STARVED_THREADS) {
        threads->thread[threads->count].id = id;
        threads->thread[threads->count++].waited_us = waited / 1000;
    }
    fclose(file);
}

static void look_at_process(struct starved_threads *threads, int process);

static void look_at_children(struct starved_threads *threads, int process, int thread)
{
    char path[96];
    FILE *file;
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", process, thread);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fscanf(file, "%d", &child) == 1)
        look_at_process(threads, child);
    fclose(file);
}

static void look_at_process(struct starved_threads *threads, int process)
{
    char path[64];
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", process);
    tasks = opendir(path);
    if (!tasks)
        return;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        int id = atoi(entry->d_name);

        if (id <= 0)
            continue;
        look_at_thread(threads, process, id);
        look_at_children(threads, process, id);
    }
    closedir(tasks);
}

void starved_look(struct starved_threads *threads)
{
    threads->count = 0;
    look_at_process(threads, getpid());
}

uint64_t starved_since(const struct starved_threads *before)
{
    struct starved_threads now;
    uint64_t most = 0;

    starved_look(&now);
    for (size_t i = 0; i < now.count; i++)
        for (size_t k = 0; k < before->count; k++)
            if (before->thread[k].id == now.thread[i].id &&
                now.thread[i].waited_us - before->thread[k].waited_us > most)
                most = now.thread[i].waited_us - before->thread[k].waited_us;
    return most;
}
