# SPDX-License-Identifier: MIT
# Tests of tools/refs.py, and with it that all names in the documents exist; read by run.sh.

refs() { "$tools/refs.py" --root "$work/tree" "$@"; }

# One finding, one test, one mutant, one function, and documents that name no more than those.
docs_tree() {
	fresh_tree
	put docs/audit.md <<'END'
Pages of `tests/unit/`.

- **CUR-03**: locks. Tests: `audit_cur_03_*`, `on_drop`. Mutants: `cur_03_*`.
- **target 7**, the lock. Tests: `lock_is_fair`, `tools_say_much_of_2`, `say_something`, `and_more`.
- **document 001**, per-CPU data. Tests: `document_001_*`.
END
	put tests/README.md <<'END'
`cur_03_root_goes_first` is seen by `audit_cur_03_a_node_goes_last`; `frame_get()` is in `mm/a.c`.
END
	put mm/a.c <<'END'
/* CUR-03, verification target 7 and document 001: see mm/a.c, a.c and tests/unit/*.c.  UTF-16. */
void frame_get(void);
int on_drop; /* not a path: e.g. this.  See sys/io.h */
const char *s = "mm/b.c";
END
	put tests/unit/a.c <<'END'
TEST(audit_cur_03_a_node_goes_last)
TEST(document_001_is_read)
EXPLORE(lock_is_fair,
END
	put tests/mutants/cur_03_root_goes_first.patch <<'END'
Mutant: root first
Audit: CUR-03
Test: audit_cur_03*
Run: check
Command: make build/host-plain-gcc/mm/a.o

--- a/mm/gone.c
END
	put tests/tools/a.sh <<'END'
expect "tools_say_much_of_$n" 0
says() {
	expect "say_$1" 0
	expect "$2" 0
}
says something and_more
END
}

docs_tree
for part in audit tests functions paths; do
	expect docs_good_tree_passes_$part 0 '' refs $part
done

# objects PART NAME PATTERN FILE: the good tree with standard input appended to FILE has that fault.
objects() {
	docs_tree
	{ cat "$work/tree/$4" 2>/dev/null; cat; } >"$work/.file"
	put "$4" <"$work/.file"
	expect "docs_$2" 1 "^$4:[0-9]+: $3" refs "$1"
}

objects audit unknown_finding 'CUR-0[4] has no entry' mm/b.c <<END
/* CUR-03 and CUR-0${nothing:-}4 */
END
objects audit unknown_finding_of_a_mutant 'NOE-01 has no entry' tests/mutants/a.patch <<'END'
Audit: NOE-01
END
objects audit unknown_finding_in_a_name 'HEP-02 has no entry' tests/unit/a.c <<'END'
TEST(audit_hep_02_heap_shrinks)
END
objects audit unknown_target 'target 8 has no entry' mm/b.c <<'END'
/* targets 7, 8 */
END
objects audit unknown_document 'document 002 has no entry' mm/b.c <<'END'
/* document 002 */
END
objects audit entry_comes_once 'CUR-03 has two entries' docs/audit.md <<'END'
- **CUR-03**: again.
END
objects tests unknown_test 'no test is audit_cur_03_is_gone' tests/README.md <<'END'
`audit_cur_03_is_gone`
END
objects tests unknown_test_of_a_tool 'no test is say_nothing' tests/README.md <<'END'
`say_nothing`
END
objects tests unknown_glob 'no test is cur_04_\*' tests/README.md <<'END'
`cur_03_*` and `cur_04_*`
END
objects tests test_that_is_no_mutant 'no mutant is lock_is_fair' tests/README.md <<'END'

| ID | test | mutant |
|---|---|---|
| target 7 | `lock_is_fair` | `lock_is_fair` |
END
objects tests test_that_is_no_mutant_of_an_entry 'no mutant is lock_is_fair' docs/audit.md <<'END'
- **target 8**. Tests: `lock_is_fair`. Mutants: `cur_03_*`, `lock_is_fair`.
END
objects functions unknown_function 'no function is frame_gets\(\)' docs/a.md <<'END'
`frame_get()` and `frame_gets()`
END
objects paths unknown_path_of_a_comment 'no file is mm/b.c' mm/a.c <<'END'
/* mm/b.c */
END
objects paths unknown_path_of_a_document 'no file is tests/unit/b.c' tests/README.md <<'END'
`tests/unit/b.c`
END
objects paths unknown_name_of_a_file 'no file is b.h' mm/a.c <<'END'
// b.h says so
END
objects paths unknown_glob_of_files 'no file is mm/b\*.c' tests/README.md <<'END'
`mm/b*.c`
END
objects paths unknown_folder 'no file is mm/b/' README.md <<'END'
`mm/` and `mm/b/`
END
objects paths unknown_object_of_a_mutant 'no file is build/host-plain-gcc/b.c' \
	tests/mutants/a.patch <<'END'
Command: make build/host-plain-gcc/b.o
END

for part in audit tests functions paths; do
	expect docs_name_what_exists_$part 0 '' "$tools/refs.py" $part
done
