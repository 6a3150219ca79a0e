/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs by their place in the job: a hash table, since unordered results
 * leave gaps of any length. Pure.
 */
#include "cli/labels.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256u

static bool grow(struct labels *labels)
{
    size_t size = labels->size ? labels->size * 2 : FIRST_SIZE;
    struct label **slots = calloc(size, sizeof(*slots));

    if (!slots)
        return false;
    for (size_t i = 0; i < labels->size; i++)
        for (struct label *label = labels->slots[i], *next; label; label = next) {
            next = label->next;
            label->next = slots[label->task & (size - 1)];
            slots[label->task & (size - 1)] = label;
        }
    free(labels->slots);
    labels->slots = slots;
    labels->size = size;
    return true;
}

bool labels_put(struct labels *labels, uint64_t task, uint64_t input, const char *data, size_t len, size_t keep)
{
    size_t kept = len < keep ? len : keep;
    struct label *label, **slot;

    if (labels->count >= labels->size && !grow(labels))
        return false;
    label = malloc(sizeof(*label) + kept + 1);
    if (!label)
        return false;
    slot = &labels->slots[task & (labels->size - 1)];
    *label = (struct label){.next = *slot, .task = task, .input = input, .full = len, .len = kept};
    if (kept)
        memcpy(label->data, data, kept);
    label->data[kept] = '\0';
    *slot = label;
    labels->count++;
    return true;
}

struct label *labels_take(struct labels *labels, uint64_t task)
{
    struct label **at = labels->size ? &labels->slots[task & (labels->size - 1)] : NULL;

    for (; at && *at; at = &(*at)->next)
        if ((*at)->task == task) {
            struct label *label = *at;
            *at = label->next;
            labels->count--;
            return label;
        }
    return NULL;
}

void labels_free(struct labels *labels)
{
    for (size_t i = 0; i < labels->size; i++)
        while (labels->slots[i]) {
            struct label *next = labels->slots[i]->next;
            free(labels->slots[i]);
            labels->slots[i] = next;
        }
    free(labels->slots);
    *labels = (struct labels){0};
}
