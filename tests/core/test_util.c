/* SPDX-License-Identifier: Apache-2.0
 *
 * broker/core/util: nodes know whether they are in a list or a heap, and leave it from wherever they are.
 */
#include "proto/util/heap.h"
#include "broker/core/util/list.h"
#include "broker/core/util/pairs.h"

#include <criterion/criterion.h>

struct thing {
    uint32_t key;
    struct list_node listed;
    struct heap_node heaped;
};

static void expect(const struct list *list, const char *keys)
{
    char found[32];
    size_t count = 0;
    struct thing *thing;
    LIST_EACH (list, thing, listed)
        found[count++] = (char)thing->key;
    found[count] = 0;
    cr_assert_str_eq(found, keys);
}

Test(util, a_node_knows_whether_it_is_in_a_list)
{
    struct list list = {0};
    struct thing things[3] = {{.key = 'a'}, {.key = 'b'}, {.key = 'c'}};
    cr_assert(list_is_empty(&list));
    cr_assert_null(LIST_FIRST(&list, struct thing, listed));
    list_append(&list, &things[1].listed);
    list_append(&list, &things[2].listed);
    list_prepend(&list, &things[0].listed);
    expect(&list, "abc");
    list_remove(&things[1].listed);
    list_remove(&things[1].listed); /* is in none: nothing happens */
    cr_assert_not(list_holds(&things[1].listed));
    cr_assert(list_holds(&things[0].listed));
    expect(&list, "ac");
    list_remove(&things[0].listed);
    list_remove(&things[2].listed);
    expect(&list, "");
    cr_assert(list_is_empty(&list));
    list_prepend(&list, &things[1].listed);
    cr_assert_eq(LIST_FIRST(&list, struct thing, listed), &things[1]);
}

Test(util, a_walk_may_remove_what_it_stands_on)
{
    struct list list = {0};
    struct thing things[4] = {{.key = 'a'}, {.key = 'b'}, {.key = 'c'}, {.key = 'd'}}, *thing, *next;
    for (unsigned i = 0; i < 4; i++)
        list_append(&list, &things[i].listed);
    LIST_EACH_SAFE (&list, thing, next, listed)
        if (thing->key == 'b' || thing->key == 'd')
            list_remove(&thing->listed);
    expect(&list, "ac");
}

Test(util, lists_are_joined)
{
    struct list front = {0}, back = {0};
    struct thing things[3] = {{.key = 'a'}, {.key = 'b'}, {.key = 'c'}};
    list_join(&front, &back);
    expect(&front, "");
    list_append(&back, &things[0].listed);
    list_join(&front, &back); /* into an empty one */
    expect(&front, "a");
    expect(&back, "");
    list_append(&back, &things[1].listed);
    list_append(&back, &things[2].listed);
    list_join(&front, &back);
    expect(&front, "abc");
    list_remove(&things[2].listed);
    expect(&front, "ab");
    list_append(&back, &things[2].listed);
    expect(&back, "c");
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return HEAP_OWNER(a, struct thing, heaped)->key < HEAP_OWNER(b, struct thing, heaped)->key;
}

static void drain(struct heap *heap)
{
    for (uint32_t last = 0; heap->count;) {
        struct thing *first = HEAP_FIRST(heap, struct thing, heaped);
        cr_assert_geq(first->key, last);
        last = first->key;
        heap_remove(heap, before, &first->heaped);
        cr_assert_not(heap_holds(&first->heaped));
    }
}

Test(util, a_heap_follows_keys_that_change)
{
    enum { COUNT = 200 };
    static struct thing things[COUNT];
    struct heap heap = {0};
    uint32_t random = 1;
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            things[i].key = (random = random * 1103515245u + 12345u) >> 16;
            heap_add(&heap, before, &things[i].heaped);
        }
        for (uint32_t i = 0; i < COUNT; i += 3) {
            things[i].key = (random = random * 1103515245u + 12345u) >> 16;
            heap_move(&heap, before, &things[i].heaped);
        }
        for (uint32_t i = 0; i < COUNT; i += 7)
            heap_remove(&heap, before, &things[i].heaped);
        cr_assert_eq(heap.count, COUNT - (COUNT + 6) / 7);
        drain(&heap);
    }
    heap_free(&heap);
}

Test(util, pairs_come_in_order_of_their_keys)
{
    struct pairs pairs = {0};
    uint32_t random = 7;
    for (uint32_t i = 0; i < 500; i++)
        pairs_add(&pairs, (random = random * 1103515245u + 12345u) >> 20, i);
    cr_assert_eq(pairs.count, 500);
    cr_assert_eq(pairs_bytes(&pairs), pairs.room * sizeof(struct pair));
    for (uint64_t last = 0; pairs.count;) {
        struct pair first = pairs_pop(&pairs);
        cr_assert_geq(first.key, last);
        last = first.key;
    }
    pairs_free(&pairs);
    cr_assert_eq(pairs_bytes(&pairs), 0);
}
