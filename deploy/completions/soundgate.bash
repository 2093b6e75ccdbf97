# bash completion for soundgate. Installed as /usr/share/bash-completion/completions/soundgate.

_soundgate_banks() {
  local options=()
  local i
  for ((i = 1; i < ${#COMP_WORDS[@]}; i++)); do
    case ${COMP_WORDS[i]} in
      --store | --socket | --config) options+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
    esac
  done
  soundgate "${options[@]}" --json bank list 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p'
}

_soundgate() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local actions="allow track label demote hold_review block"
  local -A verbs=(
    [bank]="create set list pause resume export delete" [item]="list show remove suppress restore"
    [decisions]="list show" [index]="status rollback verify merge" [uploads]="list show release" [skip]="add list remove" [capture]="list stop" [bypass]="list" [config]="check"
  )
  local command="" verb="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --store | --socket | --config | --client | --output | --reason | --for) ((i++)) ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; elif [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; fi ;;
    esac
  done

  local words=""
  case $previous in
    --action | --fail-on) words=$actions ;;
    --probes) words="off near wide" ;;
    --verdict) words="pass flag block" ;;
    --checked) words="full partial none" ;;
    --bank) words=$(_soundgate_banks) ;;
    --store) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --socket | --config | --fingerprints | --output) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --title | --content-id | --metadata | --upload | --reason | --until | --since | --to | --limit | \
      --request-id | --min-seconds | --for | --wait | --client | --max-bytes | --snap-length) return ;;
    *)
      if [[ -z $command ]]; then
        words="scan enroll bank item index backup decisions uploads drain undrain skip capture bypass mode status top config"
      elif [[ -n ${verbs[$command]} && -z $verb ]]; then
        words=${verbs[$command]}
      elif [[ $command == mode && -z $verb ]]; then
        words="observe enforce"
      elif [[ $command == item || ($command == bank && $verb != create) ]]; then
        words=$(_soundgate_banks)
      fi
      ;;
  esac
  if [[ $current == -* ]]; then
    words="--store --socket --config --json --quiet --help --version"
    case $command in
      scan) words+=" --fail-on" ;;
      enroll) words+=" --bank --title --content-id --metadata --upload --fingerprints --overlaps" ;;
      bank) words+=" --action --probes --min-seconds --force" ;;
      item) words+=" --reason --until" ;;
      index) words+=" --to --dry-run" ;;
      backup) words+=" --force" ;;
      decisions) words+=" --verdict --checked --since --request-id --limit" ;;
      mode) words+=" --reason" ;;
      top) words+=" --once" ;;
      drain) words+=" --reason --wait" ;;
      skip) words+=" --for --reason" ;;
      capture) words+=" --client --upload --output --reason --for --max-bytes --snap-length --written" ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  case $command in
    scan | enroll | config | backup)
      [[ $current == -* || $previous == --bank || $previous == --fail-on ]] ||
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current")
      ;;
  esac
}

complete -o filenames -F _soundgate soundgate
