aecompress -r photos --output-dir small
aecompress -r small --output-dir small -l | tail -1
aedecompress -r small --output-dir back
