/* core/prng.h: the seeded random streams. xoshiro256**, seeded by SplitMix64
 * over a seed and a name, so that each link and direction has a stream of its
 * own and adding a link changes no other's draws.
 *
 * Source: Blackman, Vigna, "Scrambled linear pseudorandom number generators"
 * (2018); the name is hashed with FNV-1a 64. */
#ifndef MUSTER_CORE_PRNG_H
#define MUSTER_CORE_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct state;

struct prng {
	uint64_t s[4];
};

/* @name: what the stream is for ("lan/vm.0/up"); may be "". */
void prng_init(struct prng *p, uint64_t seed, const char *name);

/* 64 uniform bits. */
uint64_t prng_u64(struct prng *p);

/* Uniform in [0, 1), 53 bits. */
double prng_unit(struct prng *p);

/* Uniform in [0, @n), unbiased. @n: > 0. */
uint64_t prng_below(struct prng *p, uint64_t n);

/* Standard normal (Marsaglia's polar method; draws a varying number). */
double prng_normal(struct prng *p);

/* Describes the position, for saved state (core/state.h). Four zeros are refused: that stream stands still. */
void prng_state(struct prng *p, struct state *s);

/* Fills @buf with @len uniform bytes. */
void prng_bytes(struct prng *p, void *buf, size_t len);

#endif
