/* SPDX-License-Identifier: Apache-2.0
 *
 * The two rings and the two bells between an agent and a slot of C functions (worker/ring.c, worker/slot_pipe.c, and
 * their use in place.c, stream.c and task.c). Explored by spin; the steps bear the names of the functions.
 *
 * The agent gives TASKS through a ring with room for one, the slot answers each through a ring with room for one, and
 * ends when the agent closes the pipe. The slot sleeps on a futex, the agent on a socket that holds one ring or more.
 * Nobody is woken by anything else: whoever sleeps through what he waits for is in an invalid end state.
 *
 * -DLOOK_THEN_ARM plants a side that looks first and says afterwards that it waits.
 * -DRUNG_AFTER_ARM plants a slot that looks at the count of its wake-ups only after it has said that it waits.
 */
#ifndef TASKS
#define TASKS 3
#endif
#define ROOM 1

byte tasks, answers; /* what is in the rings */
bool tasks_reader_waits = true, tasks_writer_waits, answers_reader_waits = true, answers_writer_waits;
byte rung; /* the futex */
bool bell; /* the socket is readable */
bool closed;

/* waits(): load and exchange */
inline waits(flag, yes)
{
    yes = false;
    if
    :: flag -> atomic { yes = flag; flag = false }
    :: else
    fi
}

/* ring_arm_reader(), ring_arm_writer(): `still`: it may sleep */
inline arm(flag, nothing, still)
{
#ifdef LOOK_THEN_ARM
    still = (nothing);
    if
    :: still -> flag = true
    :: else
    fi
#else
    flag = true;
    still = (nothing);
    if
    :: !still -> flag = false
    :: else
    fi
#endif
}

active proctype agent()
{
    bool yes, still, heard, unread, writing;
    byte to_give = TASKS, got;

    do
    :: got == TASKS -> break
    :: else ->
        /* place_write(), write_ring() */
        if
        :: to_give > 0 ->
            do
            :: to_give == 0 -> writing = false; break
            :: to_give > 0 && tasks < ROOM -> tasks++; to_give--
            :: to_give > 0 && tasks == ROOM ->
                arm(tasks_writer_waits, tasks == ROOM, still);
                if
                :: still -> writing = true; break
                :: else
                fi
            od;
            waits(tasks_reader_waits, yes); /* slot_pipe_tell(), wake_slot() */
            if
            :: yes -> rung++
            :: else
            fi
        :: else
        fi;
        /* epoll_wait(): at once while there is more to read */
        if
        :: unread
        :: bell
        fi;
        /* stream_output(), agent_read() */
        heard = false;
        unread = false;
        do
        :: answers > 0 ->
            answers--;
            got++;
            waits(answers_writer_waits, yes);
            if
            :: yes -> rung++
            :: else
            fi;
            if
            :: unread = true; break /* enough for this turn */
            :: true
            fi
        :: answers == 0 ->
            arm(answers_reader_waits, answers == 0, still);
            if
            :: !still
            :: still && heard -> break
            :: still && !heard ->
                atomic { heard = bell; bell = false };
                if
                :: !heard -> break
                :: else
                fi
            fi
        od
    od;
    closed = true; /* slot_pipe_close() */
    rung++
}

active proctype slot()
{
    bool yes, still;
    byte held, seen;

    do
    :: tasks > 0 -> /* take() */
        tasks--;
        held++;
        waits(tasks_writer_waits, yes);
        if
        :: yes -> bell = true
        :: else
        fi
    :: tasks == 0 ->
        /* slot_flush(), slot_put() */
        do
        :: held == 0 -> break
        :: held > 0 && answers < ROOM -> answers++; held--
        :: held > 0 && answers == ROOM ->
            waits(answers_reader_waits, yes);
            if
            :: yes -> bell = true
            :: else
            fi;
            /* slot_pipe_sleep() */
            seen = rung;
            arm(answers_writer_waits, answers == ROOM, still);
#ifdef RUNG_AFTER_ARM
            seen = rung;
#endif
            if
            :: still -> rung != seen
            :: else
            fi
        od;
        waits(answers_reader_waits, yes);
        if
        :: yes -> bell = true
        :: else
        fi;
        /* slot_read() */
        seen = rung;
        if
        :: tasks > 0
        :: tasks == 0 ->
            if
            :: closed -> break
            :: else
            fi;
            arm(tasks_reader_waits, tasks == 0, still);
#ifdef RUNG_AFTER_ARM
            seen = rung;
#endif
            if
            :: still -> rung != seen
            :: else
            fi
        fi
    od
}
