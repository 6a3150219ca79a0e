/* SPDX-License-Identifier: Apache-2.0
 *
 * The handler that ZeroMQ asks about each connection: a czmq actor that answers by the allow-list. Of the program
 * `belt` only.
 */
#ifndef BELT_BROKER_ZAP_H
#define BELT_BROKER_ZAP_H

#include "broker/admission.h"

extern const struct broker_admission broker_zap;

#endif
