# Fuzz harnesses of frames: what a machine can write to the fabric, a guest to a session, guests to the service
# station of their network, and a program to a port at a socket.
#
#   make fuzz-frames N=200000 SEED=7
#
# Objects, flags and the driver are make/fuzz.mk's. `make check` runs what FUZZ_BUDGET allows.
FUZZ_FRAMES := $(O)/fuzz/tests/fuzz_ring $(O)/fuzz/tests/fuzz_segment $(O)/fuzz/tests/fuzz_session \
	$(O)/fuzz/tests/fuzz_packet $(O)/fuzz/tests/fuzz_station $(O)/fuzz/tests/fuzz_stream
FUZZ_SESSION_CORPUS := $(wildcard tests/fuzz/corpus/session/*)
FUZZ_FRAMES_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(wildcard core/*.c))

FUZZ_STATION_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(wildcard fabric/station_*.c) fabric/neighbours.c)

FUZZ_STREAM_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(foreach room,$(filter-out core,$(NEEDS_fabric)),$(wildcard $(room)/*.c)) tests/fabric/shares.c)

$(O)/fuzz/tests/fuzz_station: $(FUZZ_STATION_OBJ)
$(O)/fuzz/tests/fuzz_stream: $(FUZZ_STREAM_OBJ)
$(FUZZ_FRAMES): $(O)/fuzz/tests/fuzz_%: $(O)/fuzz/obj/tests/fuzz/fuzz_%.o \
		$(O)/fuzz/obj/tests/fuzz/driver_main.o $(FUZZ_FRAMES_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-frames
fuzz-frames: $(FUZZ_FRAMES)
	@for t in $(FUZZ_FRAMES); do echo "$${t##*/}:"; $$t -n $(or $(N),200000) -s $(or $(SEED),1) || exit 1; done

build-tests: $(FUZZ_FRAMES)
.PHONY: check-fuzz-frames
check-fuzz: check-fuzz-frames
check-fuzz-frames: $(FUZZ_FRAMES)
	@$(O)/fuzz/tests/fuzz_session $(FUZZ_SESSION_CORPUS)
	@tests/run-fuzz $(FUZZ_BUDGET) frames $^
