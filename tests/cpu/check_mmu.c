/* tests/cpu/check_mmu.c: page walks, the TLB and its flushes, stores over two pages. */
#include "tests/cpu/bare.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/mmu/mmu_walk.h"

static struct bare *b;

static void setup(void)
{
	b = bare_new();
	bare_long(b, 0);
}

static void teardown(void)
{
	bare_free(b);
	b = NULL;
}

static uint64_t page(unsigned n)
{
	return BARE_PAGES + n * UINT64_C(4096);
}

static uint64_t frame(unsigned n)
{
	return BARE_FRAMES + n * UINT64_C(4096);
}

static void as_user(void)
{
	bare_long(b, 3);
}

START_TEST(load_and_store_go_through_the_tables)
{
	bare_poke64(b, frame(3) + 8, 0x1122334455667788);
	ck_assert_uint_eq(mmu_ld64(b->s, page(3) + 8), 0x1122334455667788);
	ck_assert_uint_eq(mmu_ld32(b->s, page(3) + 8), 0x55667788);
	ck_assert_uint_eq(mmu_ld16(b->s, page(3) + 8), 0x7788);
	ck_assert_uint_eq(mmu_ld8(b->s, page(3) + 15), 0x11);
	mmu_st32(b->s, page(3) + 8, 0xCAFEBABE);
	ck_assert_uint_eq(bare_peek64(b, frame(3) + 8), 0x11223344CAFEBABE);
}
END_TEST

START_TEST(a_load_sets_accessed_and_a_store_dirty)
{
	ck_assert_uint_eq(bare_peek64(b, bare_pte(1)) & (PTE_A | PTE_D), 0);
	(void)mmu_ld8(b->s, page(1));
	ck_assert_uint_eq(bare_peek64(b, bare_pte(1)) & (PTE_A | PTE_D), PTE_A);
	ck_assert(bare_peek64(b, BARE_PML4) & PTE_A);
	ck_assert(bare_peek64(b, BARE_PDPT) & PTE_A);
	ck_assert_uint_eq(bare_peek64(b, BARE_PML4) & PTE_D, 0);
	mmu_st8(b->s, page(1), 1);
	ck_assert_uint_eq(bare_peek64(b, bare_pte(1)) & (PTE_A | PTE_D), PTE_A | PTE_D);
}
END_TEST

START_TEST(a_denied_store_leaves_dirty_clear)
{
	bare_poke64(b, bare_pte(2), frame(2) | 5);
	as_user();
	bare_poke64(b, bare_pte(2), frame(2) | 5);
	ck_assert_int_eq(RAISED(b, mmu_st8(b->s, page(2), 1)), EXC_PF);
	ck_assert_uint_eq(bare_peek64(b, bare_pte(2)) & PTE_D, 0);
}
END_TEST

/* What a page's entry makes of an access. */
static const struct fault_case {
	const char *name;
	uint64_t pte; /* or'ed to the frame */
	unsigned cpl;
	bool is_write, is_fetch, no_wp;
	int error; /* -1: no fault */
} fault_cases[] = {
	{ "absent", 0, 0, false, false, false, 0 },
	{ "absent, write", 0, 0, true, false, false, PF_W },
	{ "absent, user fetch", 0, 3, false, true, false, PF_U | PF_FETCH },
	{ "read-only, kernel write", 5, 0, true, false, false, PF_P | PF_W },
	{ "read-only, kernel write without WP", 5, 0, true, false, true, -1 },
	{ "read-only, user write without WP", 5, 3, true, false, true, PF_P | PF_W | PF_U },
	{ "read-only, read", 5, 3, false, false, false, -1 },
	{ "kernel page, user read", 3, 3, false, false, false, PF_P | PF_U },
	{ "kernel page, user write", 3, 3, true, false, false, PF_P | PF_W | PF_U },
	{ "kernel page, kernel read", 3, 0, false, false, false, -1 },
	{ "no-execute, fetch", 7 | PTE_NX, 0, false, true, false, PF_P | PF_FETCH },
	{ "no-execute, read", 7 | PTE_NX, 0, false, false, false, -1 },
	{ "reserved bit 40", 7 | UINT64_C(1) << 40, 0, false, false, false, PF_P | PF_RSVD },
	{ "reserved bit 51, user write", 7 | UINT64_C(1) << 51, 3, true, false, false,
	  PF_P | PF_RSVD | PF_W | PF_U },
	{ "ignored bit 52", 7 | UINT64_C(1) << 52, 0, false, false, false, -1 },
};

START_TEST(faults_carry_the_right_error)
{
	const struct fault_case *c = &fault_cases[_i];
	uint64_t lin = page(7) + 0x123;
	int vector;

	bare_long(b, c->cpl);
	bare_poke64(b, bare_pte(7), frame(7) | c->pte);
	if (c->no_wp)
		b->s->cr0 &= ~CR0_WP;
	vector = RAISED(b, c->is_write ? mmu_st8(b->s, lin, 1)
				       : c->is_fetch ? (void)mmu_fetch_phys(b->s, lin)
						     : (void)mmu_ld8(b->s, lin));
	ck_assert_msg(vector == (c->error < 0 ? -1 : EXC_PF), "%s: vector %d", c->name, vector);
	if (c->error < 0)
		return;
	ck_assert_msg(b->s->exc_has_error && (int)b->s->exc_error == c->error, "%s: error %#x", c->name,
		      b->s->exc_error);
	ck_assert_uint_eq(b->s->cr2, lin);
}
END_TEST

START_TEST(a_fault_retires_the_pages_entry)
{
	bare_poke64(b, frame(5), 5);
	bare_poke64(b, frame(6), 6);
	bare_poke64(b, bare_pte(5), frame(5) | 5);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
	ck_assert_int_eq(RAISED(b, mmu_st8(b->s, page(5), 0)), EXC_PF);
	bare_poke64(b, bare_pte(5), frame(6) | 7);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 6);
}
END_TEST

START_TEST(nx_without_nxe_is_reserved)
{
	b->s->efer &= ~EFER_NXE;
	bare_poke64(b, bare_pte(7), frame(7) | 7 | PTE_NX);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld8(b->s, page(7))), EXC_PF);
	ck_assert_uint_eq(b->s->exc_error, PF_P | PF_RSVD);
}
END_TEST

START_TEST(large_pages_check_their_reserved_bits)
{
	bare_poke64(b, BARE_PD + 7 * 8, UINT64_C(0x400000) | 0x87 | 1 << 13);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld8(b->s, 7 << 21)), EXC_PF);
	ck_assert_uint_eq(b->s->exc_error, PF_P | PF_RSVD);
	bare_poke64(b, BARE_PD + 7 * 8, UINT64_C(0x400000) | 0x87);
	bare_poke64(b, 0x5A5A08, 77);
	ck_assert_uint_eq(mmu_ld64(b->s, (7 << 21) + 0x1A5A08), 77);
	bare_poke64(b, BARE_PDPT + 8, 0x87); /* 1 GiB at linear 1 GiB */
	ck_assert_uint_eq(mmu_ld64(b->s, (1 << 30) + 0x5A5A08), 77);
	bare_poke64(b, BARE_PML4 + 8, BARE_PDPT | 0x87); /* PS in a PML4E */
	ck_assert_int_eq(RAISED(b, (void)mmu_ld8(b->s, UINT64_C(1) << 39)), EXC_PF);
	ck_assert_uint_eq(b->s->exc_error, PF_P | PF_RSVD);
}
END_TEST

START_TEST(tlb_keeps_until_flushed)
{
	bare_poke64(b, frame(5), 5);
	bare_poke64(b, frame(6), 6);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
	bare_poke64(b, bare_pte(5), frame(6) | 7);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
	mmu_flush_page(b->s, page(5) + 99);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 6);
	bare_poke64(b, bare_pte(5), frame(5) | 7);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
}
END_TEST

START_TEST(global_pages_outlive_cr3_but_not_invlpg)
{
	bare_poke64(b, frame(5), 5);
	bare_poke64(b, frame(6), 6);
	bare_poke64(b, bare_pte(5), frame(5) | 7 | PTE_G);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
	bare_poke64(b, bare_pte(5), frame(6) | 7 | PTE_G);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
	mmu_flush_page(b->s, page(5));
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 6);
	bare_poke64(b, bare_pte(5), frame(5) | 7);
	mmu_flush_all(b->s);
	ck_assert_uint_eq(mmu_ld64(b->s, page(5)), 5);
}
END_TEST

START_TEST(an_entry_that_turned_global_survives_and_the_list_does_not_overflow)
{
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned n = 0; n < 512; n++)
			(void)mmu_ld8(b->s, page(n));
		for (unsigned n = 0; n < 512; n++)
			(void)mmu_ld8(b->s, n * UINT64_C(4096) + 0x200000);
	}
	ck_assert_uint_le(b->s->n_tlb_filled[0], TLB_SIZE);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(b->s->n_tlb_filled[0], 0);
	for (unsigned k = 0; k < TLB_SIZE; k++)
		ck_assert_uint_eq(b->s->tlbs[0][k].read_tag, TLB_INVALID(k));
}
END_TEST

START_TEST(invlpg_drops_all_pieces_of_a_large_page)
{
	(void)mmu_ld8(b->s, 0x600000);
	(void)mmu_ld8(b->s, 0x6FF000);
	bare_poke64(b, BARE_PD + 3 * 8, UINT64_C(0x400000) | 0x87);
	bare_poke64(b, 0x400000, 1);
	bare_poke64(b, 0x4FF000, 2);
	bare_poke64(b, 0x6FF000, 3);
	ck_assert_uint_eq(mmu_ld64(b->s, 0x6FF000), 3);
	mmu_flush_page(b->s, 0x612345);
	ck_assert_uint_eq(mmu_ld64(b->s, 0x600000), 1);
	ck_assert_uint_eq(mmu_ld64(b->s, 0x6FF000), 2);
}
END_TEST

START_TEST(fetches_keep_until_flushed)
{
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5) + 9), frame(5) + 9);
	bare_poke64(b, bare_pte(5), frame(6) | 7);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(5));
	mmu_flush_page(b->s, page(5) + 99);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(6));
	bare_poke64(b, bare_pte(5), frame(7) | 7 | PTE_G);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(7));
	bare_poke64(b, bare_pte(5), frame(8) | 7);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(7));
	mmu_flush_all(b->s);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(8));
	ck_assert_uint_eq(b->s->n_code_filled[0], 1);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(b->s->n_code_filled[0], 0);
	(void)mmu_fetch_phys(b->s, page(5)); /* listed, and then turns global */
	mmu_flush_page(b->s, page(5));
	bare_poke64(b, bare_pte(5), frame(9) | 7 | PTE_G);
	(void)mmu_fetch_phys(b->s, page(5));
	bare_poke64(b, bare_pte(5), frame(6) | 7);
	mmu_flush_non_global(b->s);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(9));
	(void)mmu_fetch_phys(b->s, 0x600000);
	(void)mmu_fetch_phys(b->s, 0x6FF000);
	bare_poke64(b, BARE_PD + 3 * 8, UINT64_C(0x400000) | 0x87);
	mmu_flush_page(b->s, 0x612345);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, 0x600000), 0x400000);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, 0x6FF000), 0x4FF000);
}
END_TEST

START_TEST(a_page_fault_retires_what_is_held_for_fetches)
{
	(void)mmu_fetch_phys(b->s, page(5));
	bare_poke64(b, bare_pte(5), 0);
	ck_assert_uint_eq(mmu_fetch_phys(b->s, page(5)), frame(5));
	ck_assert_int_eq(RAISED(b, (void)mmu_ld8(b->s, page(5))), EXC_PF);
	ck_assert_int_eq(RAISED(b, (void)mmu_fetch_phys(b->s, page(5))), EXC_PF);
}
END_TEST

/* Addresses that are looked up at the same index: of code and of data both stay. */
START_TEST(code_does_not_take_the_place_of_data)
{
	uint64_t alike = page(5) + TLB_SIZE * UINT64_C(4096), misses;

	bare_poke64(b, BARE_PD + (alike >> 21) * 8, UINT64_C(0x400000) | 0x87);
	(void)mmu_ld8(b->s, page(5));
	(void)mmu_fetch_phys(b->s, alike);
	misses = b->s->n_tlb_miss;
	(void)mmu_ld8(b->s, page(5));
	(void)mmu_fetch_phys(b->s, alike);
	ck_assert_uint_eq(b->s->n_tlb_miss, misses);
	(void)mmu_ld8(b->s, alike);
	(void)mmu_ld8(b->s, page(5));
	ck_assert_uint_eq(b->s->n_tlb_miss, misses + 2);
}
END_TEST

static bool goes_straight(uint64_t lin)
{
	return b->s->tlbs[0][TLB_INDEX(lin)].write_tag == lin;
}

/* At every index of the pieces that the TLB is searched in, and wherever the page is mapped. */
START_TEST(code_stops_stores_that_went_straight)
{
	enum { PAGES = 70, ALIAS = 100 };

	for (unsigned n = 0; n < PAGES; n++) {
		bare_poke64(b, bare_pte(ALIAS + n), frame(n) | 7);
		mmu_st8(b->s, page(n), 1);
		mmu_st8(b->s, page(ALIAS + n), 1);
	}
	for (unsigned n = 0; n < PAGES; n++) {
		ck_assert(goes_straight(page(n)) && goes_straight(page(ALIAS + n)));
		mmu_code_page_set(b->s, frame(n));
		ck_assert(!goes_straight(page(n)) && !goes_straight(page(ALIAS + n)));
		ck_assert(n + 1 == PAGES || goes_straight(page(n + 1)));
	}
	mmu_code_page_clear(b->s, frame(3));
	mmu_st8(b->s, page(3), 1);
	ck_assert(goes_straight(page(3)));
}
END_TEST

START_TEST(crossing_store_is_all_or_nothing)
{
	bare_poke64(b, frame(9) + 0xFF8, UINT64_MAX);
	bare_poke64(b, bare_pte(10), 0);
	ck_assert_int_eq(RAISED(b, mmu_st64(b->s, page(9) + 0xFFC, 0)), EXC_PF);
	ck_assert_uint_eq(b->s->cr2, page(10));
	ck_assert_uint_eq(b->s->exc_error, PF_W);
	ck_assert_uint_eq(bare_peek64(b, frame(9) + 0xFF8), UINT64_MAX);
	bare_poke64(b, bare_pte(10), frame(20) | 7);
	mmu_st64(b->s, page(9) + 0xFFC, 0x1122334455667788);
	ck_assert_uint_eq(bare_peek64(b, frame(9) + 0xFF8), 0x55667788FFFFFFFF);
	ck_assert_uint_eq(bare_peek32(b, frame(20)), 0x11223344);
	ck_assert_uint_eq(mmu_ld64(b->s, page(9) + 0xFFC), 0x1122334455667788);
}
END_TEST

START_TEST(bytes_cross_pages_too)
{
	uint8_t out[4096], in[4096];

	for (size_t k = 0; k < sizeof(out); k++)
		out[k] = (uint8_t)(k * 7);
	mmu_st_bytes(b->s, page(30) + 0x801, out, sizeof(out));
	mmu_ld_bytes(b->s, page(30) + 0x801, in, sizeof(in));
	ck_assert_mem_eq(in, out, sizeof(out));
	ck_assert_ptr_null(mmu_host_read(b->s, page(30) + 0x801, sizeof(in)));
	ck_assert_ptr_nonnull(mmu_host_read(b->s, page(30) + 0x801, 16));
	ck_assert_ptr_nonnull(mmu_host_write(b->s, page(31), 4096));
}
END_TEST

START_TEST(non_canonical_is_gp_and_never_page_fault)
{
	static const uint64_t bad[] = { UINT64_C(0x0000800000000000), UINT64_C(0xFFFF7FFFFFFFFFFF),
					UINT64_C(0x00007FFFFFFFFFFD), UINT64_C(0x8000000000000000) };

	for (volatile size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		ck_assert_int_eq(RAISED(b, (void)mmu_ld64(b->s, bad[k])), EXC_GP);
		ck_assert(b->s->exc_noncanonical);
		ck_assert_int_eq(RAISED(b, mmu_st64(b->s, bad[k], 0)), EXC_GP);
	}
	ck_assert_int_eq(RAISED(b, (void)mmu_fetch_phys(b->s, bad[0])), EXC_GP);
}
END_TEST

START_TEST(what_is_not_ram_goes_to_the_bus_every_time)
{
	bare_poke64(b, bare_pte(40), UINT64_C(0xFEE00000) | 7);
	ck_assert_uint_eq(mmu_ld32(b->s, page(40) + 0x30), 0xFFFFFFFF);
	ck_assert_uint_eq(mmu_ld32(b->s, page(40) + 0x30), 0xFFFFFFFF);
	ck_assert_uint_eq(b->n_mmio_reads, 2);
	ck_assert_uint_eq(b->mmio_addr, 0xFEE00030);
	mmu_st32(b->s, page(40) + 0xB0, 0x55);
	mmu_st32(b->s, page(40) + 0xB0, 0x66);
	ck_assert_uint_eq(b->n_mmio_writes, 2);
	ck_assert_uint_eq(b->mmio_value, 0x66);
	ck_assert_ptr_null(mmu_host_write(b->s, page(40), 16));
}
END_TEST

START_TEST(user_and_kernel_do_not_share_entries)
{
	bare_poke64(b, bare_pte(8), frame(8) | 3);
	(void)mmu_ld8(b->s, page(8));
	seg_set_flat(b->s, CPU_SS, BARE_DS3, 3, false, false);
	soft_mode_changed(b->s);
	ck_assert_uint_eq(b->s->cpl, 3);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld8(b->s, page(8))), EXC_PF);
	ck_assert_uint_eq(mmu_sys_ld8(b->s, page(8)), 0);
}
END_TEST

START_TEST(invalid_tags_never_match)
{
	for (uint64_t k = 0; k < TLB_SIZE; k++) {
		uint64_t tag = TLB_INVALID(k);

		for (uint64_t high = 0; high < 3; high++) {
			uint64_t lin = (k << 12) + (high << 22);

			ck_assert(!MMU_FAST(tag, lin, 1));
			ck_assert(!MMU_FAST(tag, lin + 4095, 1));
			ck_assert(!MMU_FAST(tag, lin | UINT64_C(0xFFFF800000000000), 1));
		}
	}
}
END_TEST

START_TEST(legacy_32_bit_paging_with_4_mib_pages)
{
	uint32_t pde4m = 0x400000 | 0x87, pde = BARE_PT | 7, pte = 0x5000 | 7;

	bare_prot(b, 0);
	ck_assert(mem_dma_write(&b->mem, BARE_PML4 + 4, &pde4m, 4)); /* linear 4 MiB */
	ck_assert(mem_dma_write(&b->mem, BARE_PML4 + 8, &pde, 4)); /* linear 8 MiB */
	ck_assert(mem_dma_write(&b->mem, BARE_PT + 4, &pte, 4));
	b->s->cr3 = BARE_PML4;
	b->s->cr4 = CR4_PSE;
	b->s->cr0 |= CR0_PG;
	mmu_flush_all(b->s);
	bare_poke64(b, 0x7ABCD0, 123);
	ck_assert_uint_eq(mmu_ld32(b->s, 0x7ABCD0), 123);
	bare_poke64(b, 0x5010, 321);
	ck_assert_uint_eq(mmu_ld32(b->s, 0x801010), 321);
	ck_assert_uint_eq(bare_peek32(b, BARE_PT + 4) & (PTE_A | PTE_D), PTE_A);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld8(b->s, 0xC00000)), EXC_PF);
	ck_assert_uint_eq(b->s->exc_error, 0);
	/* INVLPG in the other half of the 4 MiB page. */
	bare_poke64(b, BARE_PML4, (uint64_t)pde4m << 32 & 0);
	mmu_flush_page(b->s, 0x400000);
	bare_poke64(b, BARE_PML4 + 8, 0);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld32(b->s, 0x7ABCD0)), EXC_PF);
}
END_TEST

START_TEST(pae_paging_has_four_top_entries)
{
	bare_prot(b, 0);
	bare_poke64(b, BARE_PDPT, BARE_PD | 1);
	bare_poke64(b, BARE_PD + 2 * 8, 0x600000 | 0x87);
	b->s->cr3 = BARE_PDPT;
	b->s->cr4 = CR4_PAE;
	b->s->cr0 |= CR0_PG;
	mmu_flush_all(b->s);
	bare_poke64(b, 0x600008, 99);
	ck_assert_uint_eq(mmu_ld32(b->s, 0x400008), 99);
	ck_assert_uint_eq(bare_peek64(b, BARE_PDPT), BARE_PD | 1); /* no A bit there */
	ck_assert(mmu_pdptes_valid(b->s, BARE_PDPT));
	bare_poke64(b, BARE_PDPT + 8, BARE_PD | 3);
	ck_assert(!mmu_pdptes_valid(b->s, BARE_PDPT));
}
END_TEST

START_TEST(alignment_check_at_cpl_3_only)
{
	as_user();
	ck_assert_int_eq(RAISED(b, (void)mmu_ld32(b->s, page(1) + 2)), -1);
	b->s->cr0 |= CR0_AM;
	b->s->rflags |= FLAG_AC;
	soft_mode_changed(b->s);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld32(b->s, page(1) + 2)), EXC_AC);
	ck_assert_int_eq(RAISED(b, (void)mmu_ld32(b->s, page(1) + 4)), -1);
	ck_assert_int_eq(RAISED(b, (void)mmu_sys_ld32(b->s, page(1) + 2)), -1);
}
END_TEST

START_TEST(memory_has_bounds)
{
	struct mem m = { 0 };
	uint8_t byte = 1;

	ck_assert_int_ne(mem_init(&m, 12345), 0);
	ck_assert_int_ne(mem_init(&m, 4096), 0);
	ck_assert_ptr_nonnull(mem_ptr(&b->mem, (16 << 20) - 1, 1));
	ck_assert_ptr_null(mem_ptr(&b->mem, (16 << 20) - 1, 2));
	ck_assert_ptr_null(mem_ptr(&b->mem, UINT64_MAX, 1));
	ck_assert_ptr_null(mem_ptr(&b->mem, 0, UINT64_MAX));
	ck_assert(!mem_dma_write(&b->mem, (16 << 20) - 1, "ab", 2));
	ck_assert(mem_dma_read(&b->mem, (16 << 20) - 1, &byte, 1));
	ck_assert_uint_eq(byte, 0);
	mem_done(&m);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/mmu");
	TCase *t = tcase_create("mmu");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, load_and_store_go_through_the_tables);
	tcase_add_test(t, a_load_sets_accessed_and_a_store_dirty);
	tcase_add_test(t, a_denied_store_leaves_dirty_clear);
	tcase_add_loop_test(t, faults_carry_the_right_error, 0,
			    (int)(sizeof(fault_cases) / sizeof(fault_cases[0])));
	tcase_add_test(t, a_fault_retires_the_pages_entry);
	tcase_add_test(t, nx_without_nxe_is_reserved);
	tcase_add_test(t, large_pages_check_their_reserved_bits);
	tcase_add_test(t, tlb_keeps_until_flushed);
	tcase_add_test(t, global_pages_outlive_cr3_but_not_invlpg);
	tcase_add_test(t, an_entry_that_turned_global_survives_and_the_list_does_not_overflow);
	tcase_add_test(t, invlpg_drops_all_pieces_of_a_large_page);
	tcase_add_test(t, fetches_keep_until_flushed);
	tcase_add_test(t, code_stops_stores_that_went_straight);
	tcase_add_test(t, a_page_fault_retires_what_is_held_for_fetches);
	tcase_add_test(t, code_does_not_take_the_place_of_data);
	tcase_add_test(t, crossing_store_is_all_or_nothing);
	tcase_add_test(t, bytes_cross_pages_too);
	tcase_add_test(t, non_canonical_is_gp_and_never_page_fault);
	tcase_add_test(t, what_is_not_ram_goes_to_the_bus_every_time);
	tcase_add_test(t, user_and_kernel_do_not_share_entries);
	tcase_add_test(t, invalid_tags_never_match);
	tcase_add_test(t, legacy_32_bit_paging_with_4_mib_pages);
	tcase_add_test(t, pae_paging_has_four_top_entries);
	tcase_add_test(t, alignment_check_at_cpl_3_only);
	tcase_add_test(t, memory_has_bounds);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
