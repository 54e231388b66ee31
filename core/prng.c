/* core/prng.c: xoshiro256** seeded through SplitMix64.
 *
 * Used by: shaping/ (one stream a link and direction), vmm (entropy of a
 * virtual machine), topologies (planned MACs), tests.
 * Sources: Blackman and Vigna (2018); Marsaglia and Bray (1964) for the
 * normal deviates; FNV-1a for the name. */
#include "core/prng.h"

#include "core/state.h"

#include <math.h>
#include <string.h>

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void prng_init(struct prng *p, uint64_t seed, const char *name)
{
	uint64_t h = UINT64_C(0xCBF29CE484222325);

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001B3);
	seed ^= splitmix(&h);
	for (size_t i = 0; i < 4; i++)
		p->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t prng_u64(struct prng *p)
{
	uint64_t *s = p->s, r = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return r;
}

double prng_unit(struct prng *p)
{
	return (double)(prng_u64(p) >> 11) * 0x1p-53;
}

/* Lemire's multiply-and-reject, so that no value is favoured. */
uint64_t prng_below(struct prng *p, uint64_t n)
{
	uint64_t least = (0 - n) % n;
	unsigned __int128 m;

	do
		m = (unsigned __int128)prng_u64(p) * n;
	while ((uint64_t)m < least);
	return (uint64_t)(m >> 64);
}

double prng_normal(struct prng *p)
{
	double u, v, q;

	do {
		u = 2 * prng_unit(p) - 1;
		v = 2 * prng_unit(p) - 1;
		q = u * u + v * v;
	} while (q >= 1 || q == 0);
	return u * sqrt(-2 * log(q) / q);
}

void prng_bytes(struct prng *p, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len > 0) {
		uint64_t v = prng_u64(p);
		size_t n = len < sizeof v ? len : sizeof v;

		memcpy(to, &v, n);
		to += n;
		len -= n;
	}
}

void prng_state(struct prng *p, struct state *s)
{
	state_u64s(s, p->s, 4);
	state_expect(s, p->s[0] | p->s[1] | p->s[2] | p->s[3], "a random stream that stands still");
}
