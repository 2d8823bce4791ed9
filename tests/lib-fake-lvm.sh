# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For tests of what is done with LVM, without one, after lib.sh. Where there is a
# file $scratch_dir/vg/broken-TOOL, that one fails; idle-TOOL: it does nothing.

# Four tools of LVM's that keep logical volumes as files NAME: "SIZE TAG ATTRIBUTES OPEN",
# and the beginning of each as a file of another folder.
mkdir "$scratch_dir/bin" "$scratch_dir/vg" "$scratch_dir/devices"
cat >"$scratch_dir/bin/lvs" <<'END'
#!/bin/bash
dir=$(dirname "$0")/../vg
printf '%s\n' "$(basename "$0") $*" >>"$dir/../argv"
[ ! -e "$dir/idle-$(basename "$0")" ] || exit 0
[ ! -e "$dir/broken-$(basename "$0")" ] || { echo "no luck" >&2; exit 5; }
while [ $# -gt 1 ]; do
	case $1 in
	--size | --virtualsize) size=${2%b} ;;
	--name) name=$2 ;;
	--addtag) tag=$2 ;;
	--snapshot) is_snapshot=1 ;;
	--extents) extents=1 ;;
	--select) select=$2 ;;
	esac
	shift
done
# those that are selected: "NAME SIZE TAG ATTRIBUTES OPEN"
selected() {
	cd "$dir" && for i in *-dmr-* *renamed*; do
		[ ! -e "$i" ] || echo "$i $(cat "$i")"
	done | case $select in
	*\&\&*) one=${select% && *}
		grep -- "^${one#lv_name=} [0-9]* ${select#*lv_tags=} " ;;
	*\|\|*) one=${select% || *}
		grep -- "^${one#lv_name=} \|^${select##*lv_name=} " ;;
	lv_tags=*) grep -- " ${select#lv_tags=} " ;;
	esac
}
larger() {
	echo $(((size + 4194303) / 4194304 * 4194304))
}
case $(basename "$0") in
lvs) selected | while read -r name size tag attr open; do
	echo "  $name $size $open $attr $dir/../devices/$name"
done ;;
lvcreate) [ ! -e "$dir/$name" ] || exit 5
	[ ! -e "$dir/full-$name" ] || { echo "insufficient
   free space" >&2; exit 5; }
	if [ -n "$is_snapshot" ]; then
		origin=${1#vg/}
		read -r size rest <"$dir/$origin" || exit 5
		# of the store of one that is not thin
		[ -z "$extents" ] || size=$((size + 4194304))
		echo "$size $tag sri-a-s--- 0" >"$dir/$name"
		cp "$dir/../devices/$origin" "$dir/../devices/$name"
		exit 0
	fi
	echo "$(larger) $tag -wi-a----- 0" >"$dir/$name"
	yes not zeroed | head -c 16384 >"$dir/../devices/$name" ;;
lvextend) read -r old tag attr open <"$dir/${1#vg/}"
	echo "$(larger) $tag $attr $open" >"$dir/${1#vg/}" ;;
lvremove) selected | while read -r name rest; do
	rm "$dir/$name"
done
[ ! -e "$dir/meanwhile" ] || mv "$dir/$(cat "$dir/meanwhile")" "$dir/renamed" ;;
esac
exit 0
END
chmod +x "$scratch_dir/bin/lvs"
ln -s lvs "$scratch_dir/bin/lvcreate"
ln -s lvs "$scratch_dir/bin/lvremove"
ln -s lvs "$scratch_dir/bin/lvextend"
PATH=$scratch_dir/bin:$PATH

# The logical volumes that there are.
lvs() {
	(cd "$scratch_dir/vg" && ls)
}

# said PATTERN: a tool was called so
said() {
	grep -x -- "$1" "$scratch_dir/argv"
}
