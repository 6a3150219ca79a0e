/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of a ZeroMQ socket without asking it (proto/link.h, struct belt_link_watch), beside libzmq as it is:
 * a pipe of messages, and a mailbox whose descriptor is readable only from the first command on until the socket has
 * looked into it. Explored by spin; the steps bear the names of the functions.
 *
 * A peer writes MESSAGES; the loop of a broker, an agent or a client receives them, and sends SENDS times in between.
 * A signal may interrupt the loop at any time it looks into the mailbox. Nothing else ends its sleep: a message that it
 * sleeps through is an invalid end state.
 *
 * -DINTERRUPTED_IS_NOTHING plants the question that a signal interrupts and that then counts as answered with no.
 * -DSENT_IS_FORGOTTEN plants a watch that does not note that something was sent.
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define SENDS 2
#define SIGNALS 3

/* the pipe: messages in it; the peer must tell when the reader has found it empty */
byte there;
bool pipe_asleep = true;
/* the mailbox: commands "there is something in the pipe"; its descriptor */
byte commands;
bool mailbox_asleep = true, descriptor;

active proctype peer()
{
    byte n;

    do
    :: n < MESSAGES ->
        atomic {
            there++;
            if
            :: pipe_asleep ->
                pipe_asleep = false;
                commands++;
                if
                :: mailbox_asleep -> mailbox_asleep = false; descriptor = true
                :: else
                fi
            :: else
            fi
        };
        n++
    :: else -> break
    od
}

/* libzmq's process_commands(): false when a signal came while it looked, be it after it has taken commands */
inline process_commands(done)
{
    do
    :: mailbox_active && commands > 0 -> commands--; pipe_active = true
    :: atomic { mailbox_active && commands == 0 -> mailbox_active = false; mailbox_asleep = true }
    :: !mailbox_active ->
        if
        :: signals < SIGNALS -> signals++; done = false; break
        :: descriptor -> descriptor = false; mailbox_active = true
        :: !descriptor -> done = true; break
        fi
    od
}

/* libzmq looks into the pipe: an empty one falls asleep */
inline look_into_pipe(found)
{
    found = false;
    if
    :: pipe_active ->
        atomic {
            found = there > 0;
            if
            :: !found -> pipe_active = false; pipe_asleep = true
            :: else
            fi
        }
    :: else
    fi
}

/* belt_link_events() */
inline events(readable)
{
    do
    :: process_commands(done);
        if
        :: done -> look_into_pipe(readable); break
        :: !done ->
#ifdef INTERRUPTED_IS_NOTHING
            readable = false;
            break
#endif
        fi
    od
}

/* belt_link_recv() */
inline recv(got)
{
    do
    :: look_into_pipe(got);
        if
        :: got -> break
        :: else ->
            process_commands(done);
            if
            :: done -> look_into_pipe(got); break
            :: else /* receive_part(): again */
            fi
        fi
    od;
    if
    :: got -> there--
    :: else
    fi
}

/* belt_link_send_watched(): ZeroMQ looks into its mailbox now and then */
inline send_watched()
{
#ifndef SENT_IS_FORGOTTEN
    sent = true;
#endif
    do
    :: process_commands(done);
        if
        :: done -> break
        :: else /* send_part(): again */
        fi
    :: break
    od
}

/* belt_link_look() */
inline look_before_sleep()
{
    if
    :: !look && sent -> events(look)
    :: else
    fi;
    sent = false
}

active proctype loop()
{
    bool look = true, sent = false;                        /* struct belt_link_watch */
    bool pipe_active = false, mailbox_active = false; /* inside of libzmq */
    bool got, done;
    byte received, sends, signals;

    do
    :: received == MESSAGES -> break
    :: else ->
        look_before_sleep();
        if
        :: !look -> /* poll(): a signal may end it, too */
            if
            :: descriptor -> look = true
            :: signals < SIGNALS -> signals++
            fi
        :: else
        fi;
        do
        :: look -> /* belt_link_recv_watched() */
            recv(got);
            if
            :: got -> received++
            :: else -> look = false; sent = false
            fi
        :: break /* a burst is over */
        od;
        do
        :: sends < SENDS -> sends++; send_watched()
        :: break
        od
    od
}
