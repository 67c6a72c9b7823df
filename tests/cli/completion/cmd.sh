for shell in bash tcsh zsh; do aecompress --completion $shell | grep -c -m1 target-size; done
aedecompress --completion fish
