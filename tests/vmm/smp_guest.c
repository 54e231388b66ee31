/* tests/vmm/smp_guest.c: a bare guest that starts its other processors through a
 * real-mode trampoline, INIT and two start-up IPIs each, and then has them:
 *
 *  - count under a spin lock (XCHG, PAUSE) and by LOCK XADD, all at once;
 *  - halt, and answer a fixed IPI and an NMI to all but the sender;
 *  - read through a mapping which the first processor changes: the old value
 *    by their own TLB, the new one behind INVLPG;
 *  - call a function which the first processor rewrites meanwhile.
 *
 * It is entered as a kernel, in 64-bit mode with 4 GiB mapped one to one and the
 * loader's GDT (vmm/boot/linux64.c): 10 code, 18 data, page directory at B000.
 *
 * Used by: check_smp.c, tests/kvm/check_kvm_state.c.   Sources: SDM vol. 3 §8.4.4.1 (start), §11.6.1 (ICR). */
#include "tests/vmm/smp_guest.h"

#include "tests/kernel.h"

#include <check.h>
#include <stddef.h>

extern const uint8_t smp_guest[], smp_guest_end[];

_Static_assert(offsetof(struct smp_guest_result, lock) == 16, "as below");
_Static_assert(offsetof(struct smp_guest_result, id_seen) == 40, "as below");
_Static_assert(offsetof(struct smp_guest_result, stale) == 48, "as below");
_Static_assert(offsetof(struct smp_guest_result, spins) == 176, "as below");

__asm__(".pushsection .rodata, \"a\"\n"
	".globl smp_guest, smp_guest_end\n"
	".set STARTED, 0x60000\n.set READY, 0x60004\n.set COUNT, 0x60008\n.set XADD, 0x6000c\n"
	".set LOCK, 0x60010\n.set GO, 0x60014\n.set DONE, 0x60018\n.set N_IPI, 0x6001c\n"
	".set N_NMI, 0x60020\n.set N_SELF, 0x60024\n.set ID_SEEN, 0x60028\n.set STALE, 0x60030\n"
	".set FRESH, 0x60050\n.set BEFORE, 0x60070\n.set AFTER, 0x60090\n.set SPINS, 0x600b0\n"
	".set IDT, 0x61000\n.set IDTR, 0x62000\n.set NEW, 0x63000\n.set FUNC, 0x64000\n"
	".set STACKS, 0x71000\n.set TRAMPOLINE, 0x50000\n.set OLD, 0x263000\n.set PDE, 0xb008\n"

	/* Waits until the counter at \addr is r15 - 1 times \times. */
	".macro WAIT addr times\n"
	"lea -1(%r15), %eax\nimul $\\times, %eax, %eax\n"
	"1: incl SPINS\npause\ncmp %eax, \\addr\njne 1b\n"
	".endm\n"
	".macro GATE vector handler\n"
	"lea \\handler(%rip), %rax\nmov $(IDT + 16 * \\vector), %edi\ncall set_gate\n"
	".endm\n"
	".macro ICR value\nmovl $\\value, 0x300(%rbx)\n.endm\n"

	".code64\n"
	"smp_guest:\n"
	"mov $STACKS, %esp\n"
	"mov $0xb, %eax\nmov $1, %ecx\ncpuid\nmov %ebx, %r15d\n" /* how many there are */
	"mov $0xfee00000, %ebx\n" /* the local APIC, for good */
	"GATE 2 on_nmi\nGATE 0x40 on_ipi\nGATE 0x41 on_before\nGATE 0x42 on_after\nGATE 0x43 on_self\n"
	"movw $0xfff, IDTR\nmovq $IDT, IDTR + 2\nlidt IDTR\n"
	"movl $0x1ff, 0xf0(%rbx)\n"
	"movl $0x11111111, OLD\nmovl $0x22222222, NEW\n"
	"movb $0xb8, FUNC\nmovl $0x11111111, FUNC + 1\nmovb $0xc3, FUNC + 5\n" /* mov eax, ..; ret */
	"lea trampoline(%rip), %rsi\nmov $TRAMPOLINE, %edi\nmov $(trampoline_end - trampoline), %ecx\n"
	"rep movsb\n"
	"ICR 0xc4500\n" /* INIT to all but self */
	"mov $1, %ecx\n"
	"2: cmp %r15d, %ecx\nje 3f\n" /* SIPI twice, one by one */
	"mov %ecx, %eax\nshl $24, %eax\nmov %eax, 0x310(%rbx)\nICR 0x4650\nICR 0x4650\n"
	"inc %ecx\njmp 2b\n"
	"3: WAIT READY 1\n"
	"movl $1, GO\n"
	"call count\n"
	"4: pause\ncmp %r15d, DONE\njne 4b\n"
	"sti\n"
	"ICR 0xc4040\nWAIT N_IPI 1\n" /* fixed, to all but self */
	"ICR 0xc4400\nWAIT N_NMI 1\n" /* NMI */
	"ICR 0x44043\n" /* to self */
	"5: cmpl $1, N_SELF\njne 5b\n"
	"ICR 0xc4041\nWAIT N_IPI 2\n"
	"movl $0x22222222, FUNC + 1\n"
	"movl $0x83, PDE\ninvlpg OLD\n" /* 2 MiB on: now what is at 0 */
	"ICR 0xc4042\nWAIT N_IPI 3\n"
	"mov $0x604, %edx\nmov $0x3400, %eax\nout %ax, %dx\n" /* power off */
	"cli\nhlt\n"

	"set_gate:\n" /* rdi: the gate, rax: the handler */
	"mov %ax, (%rdi)\nmovw $0x10, 2(%rdi)\nmovw $0x8e00, 4(%rdi)\nshr $16, %rax\nmov %ax, 6(%rdi)\n"
	"movl $0, 8(%rdi)\nmovl $0, 12(%rdi)\nret\n"

	"count:\nmov $3000, %ecx\n"
	"1: mov $1, %eax\nxchg %eax, LOCK\ntest %eax, %eax\njz 2f\npause\njmp 1b\n"
	"2: mov COUNT, %eax\ninc %eax\nmov %eax, COUNT\nmovl $0, LOCK\n"
	"mov $1, %eax\nlock xadd %eax, XADD\n"
	"dec %ecx\njnz 1b\nlock incl DONE\nret\n"

	"my_id:\nmov 0x20(%rbx), %edi\nshr $24, %edi\nret\n"

	"on_nmi:\nlock incl N_NMI\niretq\n"
	"on_self:\nlock incl N_SELF\njmp eoi\n"
	"on_before:\ncall my_id\nmov OLD, %eax\nmov %eax, STALE(, %rdi, 4)\n"
	"mov $FUNC, %eax\ncall *%rax\nmov %eax, BEFORE(, %rdi, 4)\njmp on_ipi\n"
	"on_after:\ncall my_id\nmov OLD, %eax\nmov %eax, STALE(, %rdi, 4)\ninvlpg OLD\n"
	"mov OLD, %eax\nmov %eax, FRESH(, %rdi, 4)\n"
	"mov $FUNC, %eax\ncall *%rax\nmov %eax, AFTER(, %rdi, 4)\n"
	"on_ipi:\nlock incl N_IPI\n"
	"eoi: movl $0, 0xb0(%rbx)\niretq\n"

	"ap:\n"
	"mov $0x18, %eax\nmov %eax, %ds\nmov %eax, %es\nmov %eax, %ss\n"
	"mov $0xfee00000, %ebx\nlidt IDTR\n"
	"movl $0x1ff, 0xf0(%rbx)\n"
	"mov 0x20(%rbx), %edi\nshr $24, %edi\n"
	"movb $1, ID_SEEN(%rdi)\n"
	"mov %edi, %esp\nshl $12, %esp\nadd $STACKS, %esp\n"
	"lock incl READY\n"
	"1: pause\ncmpl $1, GO\njne 1b\n"
	"call count\n"
	"2: sti\nhlt\njmp 2b\n"

	".code16\n"
	"trampoline:\n"
	"cli\nmov $0x6000, %ax\nmov %ax, %ds\nlock incl 0\n"
	"lgdtl %cs:(gdtr - trampoline)\n"
	"mov %cr4, %eax\nor $0x20, %eax\nmov %eax, %cr4\nmov $0x9000, %eax\nmov %eax, %cr3\n"
	"mov $0xc0000080, %ecx\nrdmsr\nor $0x100, %eax\nwrmsr\n"
	"mov $0x80000033, %eax\nmov %eax, %cr0\n"
	"ljmpl $0x10, $(0x100000 + ap - smp_guest)\n"
	"gdtr: .word 31\n.long 0x500\n"
	"trampoline_end:\n"
	".code64\n"
	"smp_guest_end:\n"
	".popsection\n");

_Static_assert((int)SMP_GUEST_AT == KERNEL_AT, "where kernel_of() puts it");

int smp_guest_kernel(void)
{
	int fd = kernel_of(smp_guest, (size_t)(smp_guest_end - smp_guest));

	ck_assert_int_ge(fd, 0);
	return fd;
}

void smp_guest_check(const struct mem *m, unsigned cpus, bool own_tlb)
{
	struct smp_guest_result r;
	unsigned others = cpus - 1;

	ck_assert(mem_dma_read(m, SMP_GUEST_RESULT, &r, sizeof r));
	ck_assert_uint_eq(r.started, others); /* the second start-up IPI is ignored */
	ck_assert_uint_eq(r.ready, others);
	ck_assert_uint_eq(r.under_lock, cpus * SMP_GUEST_ROUNDS);
	ck_assert_uint_eq(r.by_xadd, cpus * SMP_GUEST_ROUNDS);
	ck_assert_uint_eq(r.n_ipi, 3 * others);
	ck_assert_uint_eq(r.n_nmi, others);
	ck_assert_uint_eq(r.n_self, 1);
	for (unsigned i = 1; i < cpus; i++) {
		ck_assert_uint_eq(r.id_seen[i], 1);
		if (own_tlb)
			ck_assert_uint_eq(r.stale[i], SMP_GUEST_OLD);
		ck_assert_uint_eq(r.fresh[i], SMP_GUEST_NEW);
		ck_assert_uint_eq(r.code_before[i], SMP_GUEST_OLD);
		ck_assert_uint_eq(r.code_after[i], SMP_GUEST_NEW);
	}
}
