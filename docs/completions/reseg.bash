# SPDX-License-Identifier: GPL-2.0-or-later
#
# Completion of reseg's programs, for bash; zsh uses it too, see _reseg. It has no list of options:
# it reads them from PROGRAM --help at that moment. To try it:
#
#     . docs/completions/reseg.bash
#
# It understands these parts of a help text:
#
#     Usage: PROGRAM a|b ...        commands
#     Usage: PROGRAM ... COMMAND    each line "  a b  text" below is a command
#     "  --option VALUE  text"      an option; options in a usage line count, too
#     a|b or {a,b} as VALUE         the values to choose from
#
# --fault and "fault on" are completed from resegd --list-faults. All else may be a file.

# _reseg_words PROGRAM [WORD...]: prints what may follow these, one word a line.
_reseg_words() {
	local program=$1 found

	shift
	found=$("$program" --help 2>/dev/null | LC_ALL=C name=${program##*/} words=$* awk '
		function read_options(text,    part, n, i, option) {
			gsub(/[][]|[.][.][.]/, " ", text)
			n = split(text, part, /[ ,]+/)
			for (i = 1; i <= n; i++) {
				if (part[i] !~ /^--?[A-Za-z0-9]/) continue
				option = part[i]
				sub(/=.*/, "", option)
				if (values[option] == "" && part[i + 1] ~ /[|]/) values[option] = part[i + 1]
				takes[option] = takes[option] || part[i + 1] ~ /^[^-]/
			}
		}
		function say(list,    part, n, i) {
			n = split(list, part, "|")
			for (i = 1; i <= n; i++)
				if (part[i] != "" && !said[part[i]]++) print part[i]
		}
		BEGIN {
			count = split(ENVIRON["words"], word, " ")
			usage = "^([Uu]sage: +| +)" ENVIRON["name"] " "
		}
		match($0, /[{][^}]*[}]/) {
			list = substr($0, RSTART + 1, RLENGTH - 2)
			gsub(/,/, "|", list)
			$0 = substr($0, 1, RSTART - 1) list substr($0, RSTART + RLENGTH)
		}
		$0 ~ usage {
			listed = listed || / COMMAND$/
			sub(usage, "")
			read_options($0)
			if ($1 ~ /^[a-z|]+$/) commands = commands "|" $1
			next
		}
		/^ +-/ {
			sub(/^ +/, "")
			sub(/  .*/, "")
			read_options($0)
			next
		}
		listed && /^  [a-z]/ {
			commands = commands "|" $1
			if (/^  [a-z]+ [a-z]+ /) second[$1] = second[$1] "|" $2
		}
		END {
			last = count > 0 ? word[count] : ""
			if (last == "--fault" || word[count - 1] " " last == "fault on") say("<fault>")
			else if (values[last] != "") say(values[last])
			else if (!(last in takes) || !takes[last]) {
				for (option in takes) say(option)
				say(second[last])
				for (i = 1; i <= count; i++)
					if (index(commands "|", "|" word[i] "|")) exit
				say(commands)
			}
		}')
	case $found in
	'<fault>') resegd --list-faults 2>/dev/null | sed -n 's/^\([a-z][a-z0-9-]*\) .*/\1/p' ;;
	*) printf '%s\n' "$found" ;;
	esac
}

_reseg_complete() {
	local current=${COMP_WORDS[COMP_CWORD]} i before

	before=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)	# reseg-lab: from here on it is the command line of another program
			if type _command_offset >/dev/null 2>&1; then
				_command_offset $((i + 1))
			elif ((i + 1 == COMP_CWORD)); then
				COMPREPLY=($(compgen -c -- "$current"))
			fi
			return
			;;
		'=') ;;	# --option=value is three words to bash
		*) before="$before ${COMP_WORDS[i]}" ;;
		esac
	done
	[ "$current" != = ] || current=
	COMPREPLY=($(compgen -W "$(_reseg_words "${COMP_WORDS[0]}" $before |
		case $current in
		-*) cat ;;
		*) grep -v '^-' ;;
		esac)" -- "$current"))
}

complete -o default -F _reseg_complete resegd resegctl reseg-lab reseg-mta reseg-probe reseg-replay \
	reseg-report reseg-rules reseg-sink
