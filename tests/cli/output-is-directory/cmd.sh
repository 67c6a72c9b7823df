aecompress tiny.png folder
aecompress -f tiny.png -o folder
