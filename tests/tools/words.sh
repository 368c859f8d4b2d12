# SPDX-License-Identifier: MIT
# Tests of tools/words.py; read by run.sh.

words() { "$tools/words.py" --root "$work/tree"; }

words_tree() {
	fresh_tree
	put mm/a.c <<'END'
/* The cursor locks the range; frame_cache_drain() empties the caches. */
/* SDM 3A figure 4-8.  A lookup at most; look up the entry.  sa.sa_flags = SA_NODEFER; */
END
	put README.md <<'END'
# keel
## Glossary
| flush | shootdown |
## Commands
END
	put tools/a.py <<'END'
print("", flush=True)
END
}

# has_word NAME PATTERN FILE: the good tree with a line of FILE from standard input has that hit.
has_word() {
	words_tree
	{ cat "$work/tree/$3" 2>/dev/null; cat; } >"$work/.file"
	put "$3" <"$work/.file"
	expect "words_$1" 1 "$2" words
}

words_tree
expect words_good_tree_passes 0 '' words
has_word flush '^mm/a.c:3: flush: TLB shootdown' mm/a.c <<'END'
/* flush the TLB */
END
has_word part_of_a_name '^mm/a.c:3: kick: ' mm/a.c <<'END'
kick_cpu(1);
END
has_word capital_letters '^mm/a.c:3: NOBODY: ' mm/a.c <<'END'
enum { NOBODY };
END
has_word drain_of_a_driver '^drivers/a.c:1: drain: ' drivers/a.c <<'END'
/* drain the FIFO */
END
has_word another_word_beside_an_allowed_one '^mm/a.c:3: figures: ' mm/a.c <<'END'
/* figure 4-8 has figures */
END
has_word minimum_in_a_name '^mm/a.c:3: SIZE_LEAST: ' mm/a.c <<'END'
enum { SIZE_LEAST };
END
has_word after_the_glossary '^README.md:5: tract: pageblock' README.md <<'END'
a tract
END
has_word two_words '^mm/a.c:3: takes over: ' mm/a.c <<'END'
/* the fault takes over the frame */
END
has_word path_of_a_file '^tests/mutants/last_one_forgets.patch:0: forgets: ' \
	tests/mutants/last_one_forgets.patch <<'END'
Mutant: -
END
words_tree
printf '\377\376flush' | put mm/font.pf2
expect words_binary_file_is_skipped 0 '' words
