/* SPDX-License-Identifier: MIT */
/* The two back ends of transport.h, for its table. */
#ifndef FERRY_TEST_TRANSPORTS_H
#define FERRY_TEST_TRANSPORTS_H

#include "transport.h"

extern const struct driver transport_kernel, transport_ferry;

/** A certificate for this claim's connections over TLS. */
void transport_make_certificate(void);

#endif
