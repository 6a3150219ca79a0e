/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of who drives. See helm.h.
 */
#include "client/helm.h"

#include <assert.h>

uint32_t client_helm_kick(struct client_helm *helm, uint32_t urgent)
{
    uint32_t rings = CLIENT_HELM_RING_DRIVER;

    helm->work = true;
    if (helm->sleep == CLIENT_HELM_AWAKE || (helm->sleep == CLIENT_HELM_NAP && !urgent))
        return 0;
    helm->sleep = CLIENT_HELM_AWAKE; /* one ring is enough */
    if (helm->aside != CLIENT_HELM_HERE && helm->driver == CLIENT_HELM_NOBODY)
        rings |= CLIENT_HELM_RING_ASIDE;
    return rings;
}

static void drive(struct client_helm *helm, enum client_helm_driver driver)
{
    helm->driver = (uint8_t)driver;
    helm->sleep = CLIENT_HELM_AWAKE;
}

uint32_t client_helm_take(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    if (helm->driver != CLIENT_HELM_NOBODY)
        return 0;
    drive(helm, CLIENT_HELM_IO_THREAD);
    return CLIENT_HELM_YES;
}

uint32_t client_helm_take_reader(struct client_helm *helm, uint32_t number)
{
    if (helm->driver != CLIENT_HELM_NOBODY) {
        if (number != 0)
            helm->wanted = number;
        return 0;
    }
    drive(helm, CLIENT_HELM_READER);
    helm->drove = true;
    return CLIENT_HELM_YES;
}

uint32_t client_helm_forgo(struct client_helm *helm, uint32_t number)
{
    if (helm->wanted == number)
        helm->wanted = 0;
    return 0;
}

/* Nobody drives until somebody comes, which is within a millisecond: who has no haste need not ring. */
static void stop(struct client_helm *helm)
{
    helm->driver = CLIENT_HELM_NOBODY;
    helm->sleep = CLIENT_HELM_NAP;
}

uint32_t client_helm_leave(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    assert(helm->driver == CLIENT_HELM_READER);
    stop(helm);
    return helm->aside == CLIENT_HELM_DISTANT ? CLIENT_HELM_RING_ASIDE : 0;
}

uint32_t client_helm_give(struct client_helm *helm, uint32_t unused)
{
    uint32_t number = helm->wanted;

    (void)unused;
    assert(helm->driver == CLIENT_HELM_IO_THREAD);
    helm->wanted = 0;
    if (number == 0)
        helm->driver = CLIENT_HELM_NOBODY; /* and awake: it is about to take it again */
    return number;
}

uint32_t client_helm_hand_over(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    assert(helm->driver == CLIENT_HELM_IO_THREAD);
    stop(helm);
    helm->aside = CLIENT_HELM_ASIDE;
    return 0;
}

uint32_t client_helm_release(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    assert(helm->driver == CLIENT_HELM_IO_THREAD);
    helm->driver = CLIENT_HELM_NOBODY;
    return 0;
}

uint32_t client_helm_begin_wait(struct client_helm *helm, uint32_t nap)
{
    assert(helm->driver != CLIENT_HELM_NOBODY);
    if (client_helm_take_word(helm, 0) != 0)
        return 0;
    helm->sleep = nap ? CLIENT_HELM_NAP : CLIENT_HELM_ASLEEP;
    return CLIENT_HELM_YES;
}

uint32_t client_helm_end_wait(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    helm->sleep = CLIENT_HELM_AWAKE;
    return 0;
}

uint32_t client_helm_take_word(struct client_helm *helm, uint32_t unused)
{
    uint32_t there = helm->work ? CLIENT_HELM_YES : 0;

    (void)unused;
    helm->work = false;
    return there;
}

uint32_t client_helm_stand_by(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    helm->aside = CLIENT_HELM_ASIDE;
    helm->drove = false;
    return 0;
}

uint32_t client_helm_deepen(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    if (helm->drove || helm->driver == CLIENT_HELM_NOBODY)
        return 0;
    helm->aside = CLIENT_HELM_DISTANT;
    return CLIENT_HELM_YES;
}

uint32_t client_helm_rouse(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    helm->aside = CLIENT_HELM_ASIDE;
    return 0;
}

uint32_t client_helm_look_again(struct client_helm *helm, uint32_t unused)
{
    bool stays = helm->driver != CLIENT_HELM_NOBODY || helm->drove;

    (void)unused;
    helm->drove = false;
    return stays ? CLIENT_HELM_YES : 0;
}

uint32_t client_helm_come_back(struct client_helm *helm, uint32_t unused)
{
    (void)unused;
    helm->aside = CLIENT_HELM_HERE;
    return 0;
}
